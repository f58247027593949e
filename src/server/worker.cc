// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "server/event_loop.h"

namespace sysmem::server {
namespace {

constexpr int64_t kDestructorPatienceNs = 5'000'000'000;
constexpr size_t kMaxThreadNameBytes = 15;

std::chrono::steady_clock::time_point AsTimePoint(int64_t ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

// Starts a thread that inherits a mask with every signal blocked: from its first moment on it can
// never be the one that a signal of the process interrupts.
// False when the system has no thread to give.
bool StartDetachedThread(const std::string& name, int nice, const std::function<void()>& function) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread thread([name = name.substr(0, kMaxThreadNameBytes), nice, function] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
      // Of this thread alone; a daemon that may not has a thread like the others.
      if (nice != 0) ::setpriority(PRIO_PROCESS, 0, ::getpriority(PRIO_PROCESS, 0) + nice);
      function();
    });
    thread.detach();
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace

struct Worker::State {
  explicit State(WorkerOptions given) : options(std::move(given)) {}

  // All of these: REQUIRES mutex held.
  bool IsIdle() const { return waiting.empty() && began_ns.empty(); }
  bool IsStalled() const {
    if (began_ns.size() < threads || threads >= options.max_threads) return false;
    return EventLoop::NowNs() - *began_ns.begin() >= options.stall_ns;
  }

  // Whose turn it is: the next owner after the last one served who has not his share already.
  std::map<Owner, std::deque<Job>>::iterator NextOwner() {
    const auto may_run = [this](const auto& entry) {
      const auto running = under_way.find(entry.first);
      return running == under_way.end() || running->second < options.jobs_per_owner;
    };
    const auto after_last = waiting.upper_bound(last_served);
    const auto found = std::find_if(after_last, waiting.end(), may_run);
    if (found != waiting.end()) return found;
    const auto wrapped = std::find_if(waiting.begin(), after_last, may_run);
    return wrapped != after_last ? wrapped : waiting.end();
  }

  const WorkerOptions options;
  std::mutex mutex;
  std::condition_variable work;              // a job may start, or stop
  std::condition_variable quiet;             // idle, or a thread has ended
  std::map<Owner, std::deque<Job>> waiting;  // none of them empty
  std::map<Owner, uint32_t> under_way;
  Owner last_served = 0;
  std::multiset<int64_t> began_ns;  // of the jobs under way
  uint32_t threads = 0;
  bool stop = false;
  bool abandoned = false;  // Stop's patience has ended
};

Worker::Worker(WorkerOptions options) : state_(std::make_shared<State>(std::move(options))) {
  for (uint32_t i = 0; i < state_->options.threads; ++i) AddThread(state_);
}

Worker::~Worker() { Stop(EventLoop::NowNs() + kDestructorPatienceNs); }

uint32_t Worker::threads() const {
  std::lock_guard lock(state_->mutex);
  return state_->threads;
}

bool Worker::Run(Owner owner, Job job) {
  bool add_thread = false;
  bool may_start = false;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stop) return false;
    state_->waiting[owner].push_back(std::move(job));
    add_thread = state_->IsStalled();
    may_start = state_->NextOwner() != state_->waiting.end();
  }
  // Else the thread that finishes this owner's job under way takes this one as well.
  if (may_start) state_->work.notify_one();
  if (add_thread) AddThread(state_);
  return true;
}

void Worker::AddThread(const std::shared_ptr<State>& state) {
  {
    std::lock_guard lock(state->mutex);
    ++state->threads;
  }
  if (StartDetachedThread(state->options.name, state->options.nice, [state] { Serve(state); })) {
    return;
  }
  std::lock_guard lock(state->mutex);
  --state->threads;
}

bool Worker::Drain(int64_t deadline_ns) {
  std::unique_lock lock(state_->mutex);
  return state_->quiet.wait_until(lock, AsTimePoint(deadline_ns),
                                  [this] { return state_->IsIdle(); });
}

bool Worker::Stop(int64_t deadline_ns) {
  std::unique_lock lock(state_->mutex);
  state_->stop = true;
  state_->work.notify_all();
  const bool ended = state_->quiet.wait_until(lock, AsTimePoint(deadline_ns),
                                              [this] { return state_->threads == 0; });
  // Jobs that were not begun are destroyed by whoever lets go of the state last: it is not for our
  // caller to wait for what they captured.
  state_->abandoned = true;
  state_->work.notify_all();
  return ended;
}

void Worker::Serve(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    auto next = state->waiting.end();
    state->work.wait(lock, [&] {
      next = state->NextOwner();
      return next != state->waiting.end() || (state->stop && state->waiting.empty()) ||
             state->abandoned;
    });
    if (next == state->waiting.end() || state->abandoned) break;
    const Owner owner = next->first;
    Job job = std::move(next->second.front());
    next->second.pop_front();
    if (next->second.empty()) state->waiting.erase(next);
    state->last_served = owner;
    ++state->under_way[owner];
    const auto began = state->began_ns.insert(EventLoop::NowNs());
    // Each thread wakes the next one that has something to do, rather than everybody.
    if (state->NextOwner() != state->waiting.end()) state->work.notify_one();
    lock.unlock();
    job();
    job = nullptr;  // What it captured may take as long to let go as the job itself.
    lock.lock();
    state->began_ns.erase(began);
    if (--state->under_way[owner] == 0) state->under_way.erase(owner);
    if (state->stop) state->work.notify_all();
    if (state->IsIdle()) state->quiet.notify_all();
  }
  --state->threads;
  state->quiet.notify_all();
}

}  // namespace sysmem::server
