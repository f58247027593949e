// SPDX-License-Identifier: Apache-2.0
#include "core/arm_transaction_elimination.h"

#include "core/checked.h"

namespace sysmem::core {
namespace {

constexpr uint64_t kAlignment = 64;  // of the buffer and of its rows, in bytes
constexpr uint64_t kHeaderBytes = 64;
constexpr uint32_t kPixelsPerCell = 32;  // in either dimension
constexpr uint32_t kCellBytes = 16;
constexpr uint32_t kSetsOfRows = 2;

}  // namespace

std::optional<uint64_t> TransactionEliminationOffset(uint64_t image_bytes) {
  return RoundUp(image_bytes, kAlignment);
}

uint32_t TransactionEliminationRowBytes(uint32_t width) {
  // 2^27 cells of 16 bytes at most, which is a multiple of 64.
  const uint32_t bytes = DivideUp(width, kPixelsPerCell) * kCellBytes;
  return *RoundUp<uint32_t>(bytes, kAlignment);
}

uint32_t TransactionEliminationRows(uint32_t height) {
  return kSetsOfRows * DivideUp(height, kPixelsPerCell);
}

std::optional<uint64_t> WithTransactionElimination(uint64_t image_bytes, const SizeU& size) {
  const std::optional<uint64_t> start = TransactionEliminationOffset(image_bytes);
  if (!start) return std::nullopt;
  // 2^31 times 2^28 at most.
  const uint64_t rows = TransactionEliminationRows(size.height);
  return CheckedAdd(*start, kHeaderBytes + TransactionEliminationRowBytes(size.width) * rows);
}

}  // namespace sysmem::core
