// SPDX-License-Identifier: Apache-2.0
#include "heaps/reservation_gate.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sysmem::heaps {
namespace {

// A small request is decided by a reading of this age at most, so that making five small buffers
// does not read /proc five times. Small means that all requests since that reading together want no
// more than this part of what may be used: whatever others do in so short a time fits the rest.
constexpr std::chrono::milliseconds kReadingLifetime(100);
constexpr uint64_t kSmallPart = 16;

std::string AtLeastText(uint64_t bytes) {
  return bytes == 0 ? "" : absl::StrCat(", at least ", bytes);
}

}  // namespace

ReservationGate::ReservationGate(unsigned reserve_percent)
    : ReservationGate(
          reserve_percent, [] { return base::ReadAvailableMemory(base::ReadSmallFile); },
          &std::chrono::steady_clock::now, reserve_percent > 0 ? kDaemonsOwnBytes : 0) {}

ReservationGate::ReservationGate(unsigned reserve_percent, MemoryReader reader, Clock clock,
                                 uint64_t reserve_at_least)
    : reserve_percent_(reserve_percent),
      reserve_at_least_(reserve_at_least),
      reader_(std::move(reader)),
      clock_(std::move(clock)) {}

absl::StatusOr<Reservation> ReservationGate::Reserve(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (absl::Status admitted = Admit(bytes); !admitted.ok()) return admitted;
  outstanding_ += bytes;
  since_reading_ += bytes;
  return Reservation(*this, bytes);
}

absl::StatusOr<uint64_t> ReservationGate::ReadAvailable() {
  const std::lock_guard lock(mutex_);
  if (absl::Status read = ReadAgain(); !read.ok()) return read;
  const uint64_t usable = UsableBytes(reading_->available);
  return usable - std::min(usable, outstanding_);
}

absl::Status ReservationGate::Admit(uint64_t bytes) {
  if (RecentReadingSuffices(bytes)) return absl::OkStatus();
  if (absl::Status read = ReadAgain(); !read.ok()) return read;
  const uint64_t usable = UsableBytes(reading_->available);
  if (bytes <= usable && outstanding_ <= usable - bytes) return absl::OkStatus();
  return Refusal(bytes);
}

bool ReservationGate::RecentReadingSuffices(uint64_t bytes) const {
  if (!reading_ || clock_() - reading_->at > kReadingLifetime) return false;
  const uint64_t small = UsableBytes(reading_->available) / kSmallPart;
  return bytes <= small && since_reading_ <= small - bytes;
}

uint64_t ReservationGate::UsableBytes(const base::AvailableMemory& available) const {
  const uint64_t hundredths = available.bytes / 100;
  const uint64_t rest = available.bytes % 100;
  const uint64_t part = hundredths * reserve_percent_ + rest * reserve_percent_ / 100;
  return available.bytes - std::min(available.bytes, std::max(part, reserve_at_least_));
}

absl::Status ReservationGate::ReadAgain() {
  absl::StatusOr<base::AvailableMemory> available = reader_();
  if (!available.ok()) return available.status();
  reading_ = Reading{.available = *std::move(available), .at = clock_()};
  // What was taken before shows in the reading; what is still to be taken does not.
  since_reading_ = outstanding_;
  return absl::OkStatus();
}

absl::Status ReservationGate::Refusal(uint64_t bytes) const {
  const base::AvailableMemory& available = reading_->available;
  return absl::ResourceExhaustedError(absl::StrCat(
      "no memory for ", bytes, " bytes: ", available.bytes, " available (", available.bounded_by,
      "), ", available.bytes - UsableBytes(available), " of them kept in reserve (",
      reserve_percent_, " %", AtLeastText(reserve_at_least_), "), ", outstanding_,
      " promised to allocations under way"));
}

absl::Status ReservationGate::Continue(uint64_t taken, uint64_t still_wanted) {
  const std::lock_guard lock(mutex_);
  outstanding_ -= taken;
  if (still_wanted == 0) return absl::OkStatus();
  if (absl::Status read = ReadAgain(); !read.ok()) return read;
  if (outstanding_ <= UsableBytes(reading_->available)) return absl::OkStatus();
  return Refusal(still_wanted);
}

void ReservationGate::GiveBack(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  outstanding_ -= bytes;
  since_reading_ -= bytes;
}

Reservation::Reservation(Reservation&& other) noexcept
    : gate_(other.gate_), remaining_(std::exchange(other.remaining_, 0)) {}

Reservation::~Reservation() {
  if (remaining_ > 0) gate_->GiveBack(remaining_);
}

absl::Status Reservation::Taken(uint64_t bytes) {
  remaining_ -= bytes;
  return gate_->Continue(bytes, remaining_);
}

}  // namespace sysmem::heaps
