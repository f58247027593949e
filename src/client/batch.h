// SPDX-License-Identifier: Apache-2.0
//
// Calls that are collected to be sent in one message.
//
//   Batch batch;
//   batch.Add({.handle = 7}, std::move(descriptors), first_number, fill);
//   ... more ...
//   Send(batch.request(), batch.descriptors());  // then, with the reply:
//   for (failure : reply.failures()) Tell(batch.records()[failure.index()], failure);
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "sysmem2/session.pb.h"

namespace sysmem::client {

struct NodeState;

// Whom an operation concerns, so that its failure can be told to the right object.
struct OperationRecord {
  uint64_t handle = 0;  // the node it speaks to; 0: none
  bool quiet = false;   // nobody wants to know of its failure: the program is leaving the node
  std::shared_ptr<NodeState> made;    // the node it makes
  std::shared_ptr<NodeState> parent;  // of `made`, which may itself turn out never to have been
};

// Writes the operation, given the number of the first of its descriptors.
using FillOperation = std::function<void(sysmem2::Operation& operation, uint64_t first_descriptor)>;

struct OperationRequest {
  OperationRecord record;
  FillOperation fill;
  std::vector<base::UniqueFd> descriptors;
};

class Batch {
 public:
  // When to send although nobody asked to: bounds of design 3, below those of MessageLimit.
  static constexpr size_t kMaxOperations = 1000;
  static constexpr size_t kMaxBytes = 64 << 10;
  static constexpr size_t kMaxDescriptors = 32;  // half of what may wait to be named

  // `next_descriptor` is raised by the number of descriptors taken.
  void Add(OperationRequest request, uint64_t& next_descriptor) {
    sysmem2::Operation* operation = request_.add_operations();
    if (descriptors_.empty()) first_descriptor_ = next_descriptor;
    request.fill(*operation, next_descriptor);
    next_descriptor += request.descriptors.size();
    std::move(request.descriptors.begin(), request.descriptors.end(),
              std::back_inserter(descriptors_));
    records_.push_back(request.record);
    bytes_ += operation->ByteSizeLong();
  }

  bool empty() const { return records_.empty(); }
  bool full() const {
    return records_.size() >= kMaxOperations || bytes_ >= kMaxBytes ||
           descriptors_.size() >= kMaxDescriptors;
  }
  const sysmem2::RunRequest& request() const { return request_; }
  const std::vector<OperationRecord>& records() const { return records_; }
  // Numbered consecutively from first_descriptor().
  std::vector<base::UniqueFd>& descriptors() { return descriptors_; }
  uint64_t first_descriptor() const { return first_descriptor_; }
  // Takes everything out and leaves the batch empty, ready for the next calls.
  Batch Take() { return std::exchange(*this, Batch()); }

 private:
  sysmem2::RunRequest request_;
  std::vector<OperationRecord> records_;
  std::vector<base::UniqueFd> descriptors_;
  uint64_t first_descriptor_ = 0;
  size_t bytes_ = 0;
};

}  // namespace sysmem::client
