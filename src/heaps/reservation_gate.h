// SPDX-License-Identifier: Apache-2.0
//
// Asked before memory is taken. When memory runs out, the kernel does not refuse a memfd its pages,
// it kills somebody, likely the daemon; so the refusal has to come from here, and in time: a
// request passes only if it leaves `reserve_percent` of what is available at the moment, and what
// the daemon itself may come to need (kDaemonsOwnBytes).
//
//   absl::StatusOr<Reservation> reservation = gate.Reserve(size);
//   if (!reservation.ok()) return reservation.status();      // with the figures
//   ... take a part of the memory ...
//   absl::Status go_on = reservation->Taken(part);            // others may have been greedy
//   meanwhile
//   ... at the end the reservation goes out of scope ...
//
// Requests granted and not yet taken count as gone, so two of them cannot both rely on the same
// bytes.
//
// Thread-safety: a gate may be asked from several threads; a Reservation belongs to one. The gate
// outlives its reservations.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory_limits.h"

namespace sysmem::heaps {

// How much of the available memory a request must leave when nothing else is configured
// (`memory.reserve`): room for the kernel and for everybody's page cache to shrink into.
inline constexpr unsigned kDefaultReservePercent = 5;

// What a request must leave at least, however little is available: the daemon's own memory grows
// with what its clients do (nodes, reports of failures, messages), and in a small control group the
// kernel would kill the daemon for it. None where no reserve is configured.
inline constexpr uint64_t kDaemonsOwnBytes = 16 << 20;

class Reservation;

class ReservationGate {
 public:
  using MemoryReader = std::function<absl::StatusOr<base::AvailableMemory>()>;
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // Asks this machine. REQUIRES: reserve_percent <= 100.
  explicit ReservationGate(unsigned reserve_percent = kDefaultReservePercent);
  // For tests that describe a machine and its time. Both may be called from several threads, when
  // several gates share them.
  ReservationGate(unsigned reserve_percent, MemoryReader reader, Clock clock,
                  uint64_t reserve_at_least = 0);
  // One that asks the same machine for the same reserve as `model`, with books of its own.
  struct SameMachine {};
  ReservationGate(SameMachine, const ReservationGate& model)
      : ReservationGate(model.reserve_percent_, model.reader_, model.clock_,
                        model.reserve_at_least_) {}

  ReservationGate(const ReservationGate&) = delete;
  ReservationGate& operator=(const ReservationGate&) = delete;

  // Errors: ResourceExhausted with the figures; what the reader says when it cannot read.
  absl::StatusOr<Reservation> Reserve(uint64_t bytes);

  // What Reserve would grant, by a new reading. Errors: what the reader says.
  absl::StatusOr<uint64_t> ReadAvailable();

 private:
  friend class Reservation;

  struct Reading {
    base::AvailableMemory available;
    std::chrono::steady_clock::time_point at;
  };

  absl::Status Admit(uint64_t bytes);                // REQUIRES: mutex_ held
  bool RecentReadingSuffices(uint64_t bytes) const;  // REQUIRES: mutex_ held
  uint64_t UsableBytes(const base::AvailableMemory& available) const;
  absl::Status Refusal(uint64_t bytes) const;  // REQUIRES: mutex_ held
  absl::Status ReadAgain();                    // REQUIRES: mutex_ held
  absl::Status Continue(uint64_t taken, uint64_t still_wanted);
  void GiveBack(uint64_t bytes);

  const unsigned reserve_percent_;
  const uint64_t reserve_at_least_;
  const MemoryReader reader_;
  const Clock clock_;

  std::mutex mutex_;
  // Guarded by mutex_:
  std::optional<Reading> reading_;
  uint64_t outstanding_ = 0;    // granted and not yet taken
  uint64_t since_reading_ = 0;  // granted and possibly not in reading_
};

// A part of the available memory spoken for. Gives back at its end what was not taken.
class Reservation {
 public:
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&&) = delete;
  ~Reservation();

  // Says that `bytes` of the reservation are now taken from the system, and asks whether the rest
  // still fits what is available. REQUIRES: bytes <= remaining().
  absl::Status Taken(uint64_t bytes);

  uint64_t remaining() const { return remaining_; }

 private:
  friend class ReservationGate;
  Reservation(ReservationGate& gate, uint64_t bytes) : gate_(&gate), remaining_(bytes) {}

  ReservationGate* gate_;
  uint64_t remaining_;
};

}  // namespace sysmem::heaps
