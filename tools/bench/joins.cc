// SPDX-License-Identifier: Apache-2.0
#include "tools/bench/joins.h"

#include <chrono>
#include <utility>

#include "tools/bench/stopwatch.h"
#include "tools/demo/sentence.h"

namespace sysmem::bench {
namespace {

// Longer than anything here takes.
constexpr std::chrono::seconds kPatience(10);

Constraints Wanted(uint32_t min_buffer_count) {
  Constraints constraints;
  constraints.usage.emplace();
  constraints.usage->cpu = SYSMEM_CPU_USAGE_READ | SYSMEM_CPU_USAGE_WRITE;
  constraints.min_buffer_count = min_buffer_count;
  constraints.memory.emplace();
  constraints.memory->min_size_bytes = kBufferBytes;
  return constraints;
}

// Joins with `token`, on the clock, and checks what came.
Result<int64_t> TimedJoin(Token token, const Constraints& constraints, Result<Joined>& joined) {
  const Stopwatch watch;
  joined = std::move(token).Join(constraints, kPatience);
  const int64_t ns = watch.ns();
  if (!joined.ok()) return joined.failure();
  if (joined->buffers.count() != kBuffers) return demo::Sentence("not five buffers");
  return ns;
}

}  // namespace

Result<std::vector<int64_t>> MeasureRoundtrips(Client& client, unsigned count) {
  std::vector<int64_t> durations;
  for (unsigned i = 0; i < count; ++i) {
    const Stopwatch watch;
    Result<void> done = client.Roundtrip(kPatience);
    durations.push_back(watch.ns());
    if (!done.ok()) return done.failure();
  }
  return durations;
}

Result<Joiner> Joiner::Prepare(Client& client) {
  Result<Token> token = client.CreateToken();
  if (!token.ok()) return token.failure();
  Result<Joined> joined = (*std::move(token)).Join(Wanted(kBuffers), kPatience);
  if (!joined.ok()) return joined.failure();
  return Joiner(client, std::move(joined->collection), std::move(joined->buffers));
}

Result<std::vector<int64_t>> Joiner::Measure(unsigned count) {
  std::vector<int64_t> durations;
  for (unsigned i = 0; i < count; ++i) {
    Result<Token> token = collection_.AttachToken();
    if (!token.ok()) return token.failure();
    Result<void> made = token->Sync(kPatience);
    if (!made.ok()) return made.failure();
    Result<Joined> joined = demo::Sentence("not joined yet");
    Result<int64_t> ns = TimedJoin(*std::move(token), Wanted(0), joined);
    if (!ns.ok()) return ns.failure();
    durations.push_back(*ns);
    // Unclean, so that its place in the tree is free at once.
    std::move(joined->collection).Close();
    Result<void> gone = client_->Roundtrip(kPatience);
    if (!gone.ok()) return gone.failure();
  }
  return durations;
}

Result<std::vector<int64_t>> MeasureAllocations(Client& client, unsigned count) {
  std::vector<int64_t> durations;
  for (unsigned i = 0; i < count; ++i) {
    Result<Token> token = client.CreateToken();
    if (!token.ok()) return token.failure();
    Result<void> made = token->Sync(kPatience);
    if (!made.ok()) return made.failure();
    Result<Joined> joined = demo::Sentence("not joined yet");
    Result<int64_t> ns = TimedJoin(*std::move(token), Wanted(kBuffers), joined);
    if (!ns.ok()) return ns.failure();
    durations.push_back(*ns);
    joined = demo::Sentence("left");
    Result<void> gone = client.Roundtrip(kPatience);
    if (!gone.ok()) return gone.failure();
  }
  return durations;
}

}  // namespace sysmem::bench
