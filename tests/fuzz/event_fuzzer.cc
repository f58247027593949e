// SPDX-License-Identifier: Apache-2.0
//
// Any events in any order, taken by a collection: every call is answered once, every node is closed
// once, nothing happens after the end, what is allocated is within the limits. A second collection
// that takes the events as a recording has them comes to the same.
//
// Input: one event after the other, its type and then its fields in their order
// (recording/fields.h); numbers are small most of the time, so that events meet the same nodes.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <variant>

#include "core/collection.h"
#include "recording/json.h"
#include "tests/fuzz/require.h"

namespace sysmem::fuzz {
namespace {

constexpr size_t kEventsAtMost = 100;
constexpr uint64_t kCollectionId = 7;

// Makes values of bytes; of none, values with nothing in them.
class Inventor {
 public:
  Inventor(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool done() const { return size_ == 0; }

  core::Event NextEvent() { return Alternative<core::Event>(Byte() % kEventTypes); }

  template <size_t kCount, typename... Fields>
  void operator()(const char* const (&)[kCount], Fields&... fields) {
    (Fill(fields), ...);
  }

 private:
  static constexpr size_t kEventTypes = std::variant_size_v<core::Event>;

  uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }

  template <typename Variant, size_t kIndex = 0>
  Variant Alternative(size_t index) {
    if constexpr (kIndex + 1 < std::variant_size_v<Variant>) {
      if (index != kIndex) return Alternative<Variant, kIndex + 1>(index);
    }
    std::variant_alternative_t<kIndex, Variant> held{};
    Fill(held);
    return held;
  }

  template <typename T>
  void Fill(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      value = (Byte() & 1) != 0;
    } else if constexpr (std::is_enum_v<T>) {
      value = static_cast<T>(Byte() % 10);
    } else if constexpr (std::is_arithmetic_v<T>) {
      value = static_cast<T>(Number());
    } else if constexpr (std::is_same_v<T, std::string>) {
      for (size_t length = Byte() % 8; length > 0; --length) value += static_cast<char>(Byte());
    } else if constexpr (recording::kIsOptional<T>) {
      if ((Byte() & 1) != 0) Fill(value.emplace());
    } else if constexpr (recording::kIsVector<T>) {
      for (size_t entries = Byte() % 4; entries > 0; --entries) Fill(value.emplace_back());
    } else {
      recording::EachField(value, *this);
    }
  }

  uint64_t Number() {
    const uint8_t first = Byte();
    if (first < 192) return first % 16;
    if (first < 224) return uint64_t{1} << (first % 64);
    if (first < 240) return UINT64_MAX - first % 4;
    uint64_t number = 0;
    for (int i = 0; i < 4; ++i) number = number << 8 | Byte();
    return number;
  }

  const uint8_t* data_;
  size_t size_;
};

template <typename T>
concept Answered = requires(T event) {
  event.call;
};

// Watches what a collection does.
class Watcher {
 public:
  void Saw(const core::Effects& effects) {
    for (const core::Effect& effect : effects) {
      std::visit([this](const auto& what) { Saw(what); }, effect);
    }
  }
  void Called(core::CallId call) { open_.insert(call); }
  bool AllAnswered() const { return open_.empty(); }

 private:
  void Saw(const core::effect::Answer& answer) {
    Require(open_.erase(answer.call) == 1, "a call is answered once");
  }
  void Saw(const core::effect::NodeClosed& closed) {
    Require(!finished_, "nothing is closed after the end");
    Require(closed.node != 0, "what is closed is a node");
  }
  void Saw(const core::effect::Allocate& allocate) {
    Require(!finished_, "nothing is allocated after the end");
    Require(allocate.attempt == ++attempts_, "attempts are numbered from 1");
    const core::Limits limits;
    const core::BufferMemorySettings& memory = allocate.plan.settings.buffer;
    Require(allocate.plan.buffer_count > 0, "there is a buffer");
    Require(allocate.plan.buffer_count <= limits.buffers_per_collection, "not too many buffers");
    Require(memory.size_bytes > 0 && memory.size_bytes <= memory.raw_vmo_size, "they hold it");
    Require(memory.raw_vmo_size <= limits.buffer_bytes, "no buffer is too large");
    Require(memory.raw_vmo_size * allocate.plan.buffer_count <= limits.collection_bytes,
            "no collection is too large");
  }
  void Saw(const core::effect::Finished&) {
    Require(!std::exchange(finished_, true), "there is one end");
  }
  void Saw(const core::effect::CloseWeakAsap& close) {
    Require(weakened_.insert(close.buffer).second, "a buffer loses its last strong holder once");
  }
  void Saw(const core::effect::CloseLifetimeTracking& close) {
    Require(close.tracking != 0, "what is closed is an end");
  }
  void Saw(const core::effect::ReportLeak& leak) {
    Require(weakened_.contains(leak.buffer), "a leak is one of what should have been closed");
    Require(leaks_.insert({leak.hand_out, leak.buffer}).second, "a leak is reported once");
  }
  void Saw(const core::effect::DropBuffers&) {}
  void Saw(const core::effect::ArmTimer&) {}
  void Saw(const core::effect::Log&) {}

  std::set<core::CallId> open_;
  std::set<uint32_t> weakened_;
  std::set<std::pair<core::CallId, uint32_t>> leaks_;
  core::AttemptId attempts_ = 0;
  bool finished_ = false;
};

std::shared_ptr<const core::Settings> TheMachine() {
  auto settings = std::make_shared<core::Settings>();
  settings->heaps.push_back({.heap = {.type = core::kHeapSystemRam},
                             .cpu_domain = true,
                             .ram_domain = true,
                             .inaccessible_domain = true,
                             .tells_holders_apart = true});
  return settings;
}

class Life {
 public:
  void Take(core::Event event) {
    std::visit(
        [this]<typename T>(T& what) {
          if constexpr (Answered<T>) {
            what.call = ++last_call_;
            watcher_.Called(what.call);
          }
        },
        event);
    const core::Effects effects = collection_.Handle(event);
    watcher_.Saw(effects);
    core::Event again;
    recording::Decoder decoder;
    Require(decoder.Decode(recording::Encode(event), again), "what is recorded can be read");
    Require(second_.Handle(again) == effects, "the same events have the same effects");
  }
  // Whatever happened, nobody waits for ever.
  void End() {
    Take(core::event::FailRoot{core::Failure{.message = "the end"}});
    Require(watcher_.AllAnswered(), "at the end all calls are answered");
    Require(collection_.TakeSnapshot() == second_.TakeSnapshot(), "both have come to the same");
  }

 private:
  const std::shared_ptr<const core::Settings> settings_ = TheMachine();
  core::Collection collection_{kCollectionId, settings_, 0};
  core::Collection second_{kCollectionId, settings_, 0};
  Watcher watcher_;
  core::CallId last_call_ = 0;
};

}  // namespace
}  // namespace sysmem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sysmem::fuzz::Inventor inventor(data, size);
  sysmem::fuzz::Life life;
  for (size_t i = 0; i < sysmem::fuzz::kEventsAtMost && !inventor.done(); ++i) {
    life.Take(inventor.NextEvent());
  }
  life.End();
  return 0;
}
