// SPDX-License-Identifier: Apache-2.0
#include "server/worker.h"

#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <deque>
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
bool StartDetachedThread(const std::string& name, const std::function<void()>& function) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    std::thread thread([name = name.substr(0, kMaxThreadNameBytes), function] {
      ::pthread_setname_np(::pthread_self(), name.c_str());
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

  // REQUIRES: mutex held.
  bool IsIdle() const { return jobs.empty() && began_ns.empty(); }
  bool IsStalled() const {
    if (began_ns.size() < threads || threads >= options.max_threads) return false;
    return EventLoop::NowNs() - *began_ns.begin() >= options.stall_ns;
  }

  const WorkerOptions options;
  std::mutex mutex;
  std::condition_variable work;   // a job was given, or stop
  std::condition_variable quiet;  // idle, or a thread has ended
  std::deque<Job> jobs;
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

bool Worker::Run(Job job) {
  bool add_thread = false;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stop) return false;
    state_->jobs.push_back(std::move(job));
    add_thread = state_->IsStalled();
  }
  state_->work.notify_one();
  if (add_thread) AddThread(state_);
  return true;
}

void Worker::AddThread(const std::shared_ptr<State>& state) {
  {
    std::lock_guard lock(state->mutex);
    ++state->threads;
  }
  if (StartDetachedThread(state->options.name, [state] { Serve(state); })) return;
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
  return ended;
}

void Worker::Serve(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    state->work.wait(lock, [&] { return state->stop || !state->jobs.empty(); });
    if (state->jobs.empty() || state->abandoned) break;
    Job job = std::move(state->jobs.front());
    state->jobs.pop_front();
    const auto began = state->began_ns.insert(EventLoop::NowNs());
    lock.unlock();
    job();
    job = nullptr;  // What it captured may take as long to let go as the job itself.
    lock.lock();
    state->began_ns.erase(began);
    if (state->IsIdle()) state->quiet.notify_all();
  }
  --state->threads;
  state->quiet.notify_all();
}

}  // namespace sysmem::server
