// SPDX-License-Identifier: Apache-2.0
//
// Tokens, collections and groups in C++: move-only owners of the objects of node.h.
//
// The destructor is the clean way to leave (release and close); Close() is the unclean one. Member
// functions marked && consume the object: `std::move(token).Bind()`. When a consuming call fails,
// the object is left as it was, except where said otherwise.
//
// Thread-safety and callbacks: client.h. A listener may destroy the object it was set on.
#pragma once

#include <fcntl.h>
#include <sysmem/node.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <sysmem/buffers.hpp>
#include <sysmem/constraints.hpp>
#include <sysmem/result.hpp>
#include <utility>
#include <vector>

namespace sysmem {

class Collection;
class Group;
class Token;

// What a node tells, from Client::Dispatch(). Either may be empty.
struct NodeListener {
  std::function<void(const Failure& why)> closed;   // the node is gone
  std::function<void(const Failure& why)> refused;  // a queued call was refused
};

// Tells when something is over: the buffers of a collection (Collection::TrackLifetime()) or a node
// (TrackNode()). node.h, Trackings, says what else it may mean. Independent of the client.
class Tracking {
 public:
  explicit Tracking(UniqueFd over) : over_(std::move(over)) {}

  // Hangs up when it is over. Belongs to this object.
  int fd() const { return over_.get(); }
  bool IsOver() const { return Await(Deadline::Passed()).ok(); }
  // kTimeout: not over by then.
  Result<void> Await(Deadline deadline) const { return AwaitHangup(fd(), deadline); }
  // Another one for the same, which may go to another process. Unset when the process has no more
  // descriptors.
  UniqueFd DupFd() const { return UniqueFd(::fcntl(fd(), F_DUPFD_CLOEXEC, 0)); }

 private:
  UniqueFd over_;
};

namespace detail {

template <typename Function>
void FreeCallback(void* data) {
  delete static_cast<std::shared_ptr<Function>*>(data);
}
// The callback as `void*`, to be freed with FreeCallback. Shared, because a callback may replace or
// destroy itself while it runs.
template <typename Function>
void* KeepCallback(Function function) {
  return new std::shared_ptr<Function>(std::make_shared<Function>(std::move(function)));
}
template <typename Function>
std::shared_ptr<Function> UseCallback(void* data) {
  return *static_cast<std::shared_ptr<Function>*>(data);
}

inline void CallClosed(void* data, const sysmem_failure* why) {
  const auto listener = UseCallback<NodeListener>(data);
  if (listener->closed) listener->closed(ToFailure(why));
}
inline void CallRefused(void* data, const sysmem_failure* why) {
  const auto listener = UseCallback<NodeListener>(data);
  if (listener->refused) listener->refused(ToFailure(why));
}

// What all nodes can do. `Handle` is the C type, `Base` gives its sysmem_node.
template <typename Handle, sysmem_node* (*AsNode)(Handle*), void (*Destroy)(Handle*),
          void (*CloseHandle)(Handle*)>
class NodeOwner {
 public:
  explicit NodeOwner(Handle* handle) : handle_(handle) {}

  explicit operator bool() const { return handle_ != nullptr; }
  Handle* get() const { return handle_.get(); }
  sysmem_node* node() const { return AsNode(handle_.get()); }

  // Unclean: fails the node's failure domain.
  void Close() { CloseHandle(handle_.release()); }
  // Clean: release and close. The destructor does the same.
  void Reset() { handle_.reset(); }

  Result<void> Sync(Deadline deadline = kPromptly) {
    Call call;
    return call.Finish(sysmem_node_sync(node(), deadline.ns(), call.out()));
  }
  Result<void> Release() {
    Call call;
    return call.Finish(sysmem_node_release(node(), call.out()));
  }
  Result<void> SetName(uint32_t priority, const std::string& name) {
    Call call;
    return call.Finish(sysmem_node_set_name(node(), priority, name.c_str(), call.out()));
  }
  Result<void> SetDebugClientInfo(const std::string& name, uint64_t id) {
    Call call;
    return call.Finish(sysmem_node_set_debug_client_info(node(), name.c_str(), id, call.out()));
  }
  Result<void> SetDebugTimeoutLogDeadline(Deadline deadline) {
    Call call;
    return call.Finish(
        sysmem_node_set_debug_timeout_log_deadline(node(), deadline.ns(), call.out()));
  }
  Result<void> SetVerboseLogging() {
    Call call;
    return call.Finish(sysmem_node_set_verbose_logging(node(), call.out()));
  }
  Result<uint64_t> GetBufferCollectionId(Deadline deadline = kPromptly) {
    Call call;
    uint64_t id = 0;
    if (sysmem_node_get_buffer_collection_id(node(), deadline.ns(), &id, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return id;
  }
  Result<UniqueFd> GetNodeRef(Deadline deadline = kPromptly) {
    Call call;
    int fd = -1;
    if (sysmem_node_get_node_ref(node(), deadline.ns(), &fd, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return UniqueFd(fd);
  }
  Result<bool> IsAlternateFor(const UniqueFd& node_ref, Deadline deadline = kPromptly) {
    Call call;
    bool is_alternate = false;
    if (sysmem_node_is_alternate_for(node(), node_ref.get(), deadline.ns(), &is_alternate,
                                     call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return is_alternate;
  }
  Result<void> SetWeak() {
    Call call;
    return call.Finish(sysmem_node_set_weak(node(), call.out()));
  }
  Result<void> SetWeakOk(bool for_child_nodes_also = false) {
    Call call;
    return call.Finish(sysmem_node_set_weak_ok(node(), for_child_nodes_also, call.out()));
  }
  // Tells when this node is no more.
  Result<Tracking> TrackNode() {
    Call call;
    int over = -1;
    if (sysmem_node_track(node(), &over, call.out()) != SYSMEM_OK) return call.TakeFailure();
    return Tracking(UniqueFd(over));
  }
  // The same with a pipe of the caller's.
  Result<void> AttachNodeTracking(UniqueFd write_end) {
    Call call;
    return call.Finish(sysmem_node_attach_tracking(node(), write_end.release(), call.out()));
  }

  void SetListener(NodeListener listener) {
    const sysmem_node_listener c_listener{sizeof(sysmem_node_listener), CallClosed, CallRefused,
                                          FreeCallback<NodeListener>};
    sysmem_node_set_listener(node(), &c_listener, KeepCallback(std::move(listener)));
  }
  // An eventfd that becomes and stays readable when the node is gone.
  Result<UniqueFd> ClosedFd() {
    Call call;
    int fd = -1;
    if (sysmem_node_closed_fd(node(), &fd, call.out()) != SYSMEM_OK) return call.TakeFailure();
    return UniqueFd(fd);
  }
  bool is_closed() const { return sysmem_node_is_closed(node()); }

 protected:
  // Runs a consuming call; the object is gone if it succeeded.
  template <typename CallFunction>
  sysmem_status Consume(CallFunction function) {
    const sysmem_status status = function(handle_.get());
    if (status == SYSMEM_OK) static_cast<void>(handle_.release());
    return status;
  }
  void Forget() { static_cast<void>(handle_.release()); }

 private:
  struct Free {
    void operator()(Handle* handle) const { Destroy(handle); }
  };
  std::unique_ptr<Handle, Free> handle_;
};

using TokenOwner =
    NodeOwner<sysmem_token, sysmem_token_node, sysmem_token_destroy, sysmem_token_close>;
using CollectionOwner = NodeOwner<sysmem_collection, sysmem_collection_node,
                                  sysmem_collection_destroy, sysmem_collection_close>;
using GroupOwner =
    NodeOwner<sysmem_group, sysmem_group_node, sysmem_group_destroy, sysmem_group_close>;

}  // namespace detail

// The outcome of joining: the collection to stay in, and its buffers.
struct Joined;

// A BufferCollectionToken.
class Token : public detail::TokenOwner {
 public:
  explicit Token(sysmem_token* token) : detail::TokenOwner(token) {}

  Result<Token> Duplicate(uint32_t rights_mask = SYSMEM_SAME_RIGHTS) {
    detail::Call call;
    sysmem_token* child = nullptr;
    if (sysmem_token_duplicate(get(), rights_mask, &child, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Token(child);
  }
  Result<UniqueFd> DuplicateExported(uint32_t rights_mask = SYSMEM_SAME_RIGHTS,
                                     Deadline deadline = kPromptly) {
    detail::Call call;
    int fd = -1;
    if (sysmem_token_duplicate_exported(get(), rights_mask, deadline.ns(), &fd, call.out()) !=
        SYSMEM_OK) {
      return call.TakeFailure();
    }
    return UniqueFd(fd);
  }
  Result<std::vector<Token>> DuplicateSync(std::span<const uint32_t> rights_masks,
                                           Deadline deadline = kPromptly) {
    detail::Call call;
    std::vector<sysmem_token*> children(rights_masks.size());
    if (sysmem_token_duplicate_sync(get(), rights_masks.data(), rights_masks.size(), deadline.ns(),
                                    children.data(), call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return std::vector<Token>(children.begin(), children.end());
  }
  Result<void> SetDispensable() {
    detail::Call call;
    return call.Finish(sysmem_token_set_dispensable(get(), call.out()));
  }
  Result<Collection> Bind() &&;
  Result<Group> CreateGroup();
  Result<UniqueFd> Export(Deadline deadline = kPromptly) && {
    detail::Call call;
    int fd = -1;
    const sysmem_status status = Consume([&](sysmem_token* token) {
      return sysmem_token_export(token, deadline.ns(), &fd, call.out());
    });
    if (status != SYSMEM_OK) return call.TakeFailure();
    return UniqueFd(fd);
  }
  // Bind, constraints and wait in one message. Consumes the token in any case.
  Result<Joined> Join(const std::optional<Constraints>& constraints, Deadline deadline) &&;
};

// A wait that goes on while the program does other things.
class PendingWait {
 public:
  explicit PendingWait(sysmem_wait* wait) : wait_(wait) {}
  // An eventfd, readable when the wait is over. Belongs to this object.
  int fd() const { return sysmem_wait_fd(wait_.get()); }
  // The outcome, once. kTimeout: not over yet.
  Result<Buffers> Finish(Deadline deadline) {
    detail::Call call;
    sysmem_buffers* buffers = nullptr;
    if (sysmem_wait_finish(wait_.get(), deadline.ns(), &buffers, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Buffers(buffers);
  }
  void Cancel() { sysmem_wait_cancel(wait_.get()); }

 private:
  struct Free {
    void operator()(sysmem_wait* wait) const { sysmem_wait_destroy(wait); }
  };
  std::unique_ptr<sysmem_wait, Free> wait_;
};

using WaitCallback = std::function<void(Result<Buffers> outcome)>;

namespace detail {
inline void CallWait(void* data, sysmem_status status, sysmem_buffers* buffers,
                     const sysmem_failure* failure) {
  const auto callback = UseCallback<WaitCallback>(data);
  (*callback)(status == SYSMEM_OK ? Result<Buffers>(Buffers(buffers))
                                  : Result<Buffers>(ToFailure(failure)));
}
}  // namespace detail

// A BufferCollection.
class Collection : public detail::CollectionOwner {
 public:
  explicit Collection(sysmem_collection* collection) : detail::CollectionOwner(collection) {}

  // Unset: no constraints, NONE usage.
  Result<void> SetConstraints(const std::optional<Constraints>& constraints) {
    detail::Call call;
    return call.Finish(
        sysmem_collection_set_constraints(get(), detail::ToC(constraints).get(), call.out()));
  }
  // The same, and the buffers must become like the one that must_match_fd, which remains the
  // caller's, is a descriptor of.
  Result<void> SetConstraintsMatching(const std::optional<Constraints>& constraints,
                                      int must_match_fd) {
    detail::Call call;
    return call.Finish(sysmem_collection_set_constraints_matching(
        get(), detail::ToC(constraints).get(), must_match_fd, call.out()));
  }
  // WaitForAllBuffersAllocated.
  Result<Buffers> Wait(Deadline deadline) {
    detail::Call call;
    sysmem_buffers* buffers = nullptr;
    if (sysmem_collection_wait(get(), deadline.ns(), &buffers, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Buffers(buffers);
  }
  // CheckAllBuffersAllocated: a failure with Error::kPending while nothing is decided.
  Result<void> Check(Deadline deadline = kPromptly) {
    detail::Call call;
    return call.Finish(sysmem_collection_check(get(), deadline.ns(), call.out()));
  }
  // Starts a wait; its outcome is taken with PendingWait::Finish().
  Result<PendingWait> StartWait(Deadline deadline) {
    detail::Call call;
    sysmem_wait* wait = nullptr;
    if (sysmem_collection_start_wait(get(), deadline.ns(), nullptr, nullptr, nullptr, &wait,
                                     call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return PendingWait(wait);
  }
  // Starts a wait; `callback` gets the outcome from Client::Dispatch(), unless the returned object
  // is destroyed before.
  Result<PendingWait> StartWait(Deadline deadline, WaitCallback callback) {
    detail::Call call;
    sysmem_wait* wait = nullptr;
    if (sysmem_collection_start_wait(
            get(), deadline.ns(), detail::CallWait, detail::KeepCallback(std::move(callback)),
            detail::FreeCallback<WaitCallback>, &wait, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return PendingWait(wait);
  }
  Result<UniqueFd> Export(Deadline deadline = kPromptly) && {
    detail::Call call;
    int fd = -1;
    const sysmem_status status = Consume([&](sysmem_collection* collection) {
      return sysmem_collection_export(collection, deadline.ns(), &fd, call.out());
    });
    if (status != SYSMEM_OK) return call.TakeFailure();
    return UniqueFd(fd);
  }
  Result<Token> AttachToken(uint32_t rights_mask = SYSMEM_SAME_RIGHTS) {
    detail::Call call;
    sysmem_token* token = nullptr;
    if (sysmem_collection_attach_token(get(), rights_mask, &token, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Token(token);
  }
  Result<UniqueFd> AttachTokenExported(uint32_t rights_mask = SYSMEM_SAME_RIGHTS,
                                       Deadline deadline = kPromptly) {
    detail::Call call;
    int fd = -1;
    if (sysmem_collection_attach_token_exported(get(), rights_mask, deadline.ns(), &fd,
                                                call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return UniqueFd(fd);
  }
  // Tells when at most so many of its buffers are left, held by anybody.
  Result<Tracking> TrackLifetime(uint32_t buffers_remaining = 0) {
    detail::Call call;
    int over = -1;
    if (sysmem_collection_track_lifetime(get(), buffers_remaining, &over, call.out()) !=
        SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Tracking(UniqueFd(over));
  }
  // The same with a pipe of the caller's.
  Result<void> AttachLifetimeTracking(UniqueFd write_end, uint32_t buffers_remaining) {
    detail::Call call;
    return call.Finish(sysmem_collection_attach_lifetime_tracking(get(), write_end.release(),
                                                                  buffers_remaining, call.out()));
  }
};

struct Joined {
  Collection collection;
  Buffers buffers;
};

// A BufferCollectionTokenGroup.
class Group : public detail::GroupOwner {
 public:
  explicit Group(sysmem_group* group) : detail::GroupOwner(group) {}

  Result<Token> CreateChild(uint32_t rights_mask = SYSMEM_SAME_RIGHTS) {
    detail::Call call;
    sysmem_token* child = nullptr;
    if (sysmem_group_create_child(get(), rights_mask, &child, call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return Token(child);
  }
  Result<UniqueFd> CreateChildExported(uint32_t rights_mask = SYSMEM_SAME_RIGHTS,
                                       Deadline deadline = kPromptly) {
    detail::Call call;
    int fd = -1;
    if (sysmem_group_create_child_exported(get(), rights_mask, deadline.ns(), &fd, call.out()) !=
        SYSMEM_OK) {
      return call.TakeFailure();
    }
    return UniqueFd(fd);
  }
  Result<std::vector<Token>> CreateChildrenSync(std::span<const uint32_t> rights_masks,
                                                Deadline deadline = kPromptly) {
    detail::Call call;
    std::vector<sysmem_token*> children(rights_masks.size());
    if (sysmem_group_create_children_sync(get(), rights_masks.data(), rights_masks.size(),
                                          deadline.ns(), children.data(),
                                          call.out()) != SYSMEM_OK) {
      return call.TakeFailure();
    }
    return std::vector<Token>(children.begin(), children.end());
  }
  Result<void> AllChildrenPresent() {
    detail::Call call;
    return call.Finish(sysmem_group_all_children_present(get(), call.out()));
  }
  Result<UniqueFd> Export(Deadline deadline = kPromptly) && {
    detail::Call call;
    int fd = -1;
    const sysmem_status status = Consume([&](sysmem_group* group) {
      return sysmem_group_export(group, deadline.ns(), &fd, call.out());
    });
    if (status != SYSMEM_OK) return call.TakeFailure();
    return UniqueFd(fd);
  }
};

inline Result<Collection> Token::Bind() && {
  detail::Call call;
  sysmem_collection* collection = nullptr;
  const sysmem_status status = Consume(
      [&](sysmem_token* token) { return sysmem_token_bind(token, &collection, call.out()); });
  if (status != SYSMEM_OK) return call.TakeFailure();
  return Collection(collection);
}

inline Result<Group> Token::CreateGroup() {
  detail::Call call;
  sysmem_group* group = nullptr;
  if (sysmem_token_create_group(get(), &group, call.out()) != SYSMEM_OK) return call.TakeFailure();
  return Group(group);
}

inline Result<Joined> Token::Join(const std::optional<Constraints>& constraints,
                                  Deadline deadline) && {
  detail::Call call;
  sysmem_collection* collection = nullptr;
  sysmem_buffers* buffers = nullptr;
  const sysmem_status status = sysmem_token_join(get(), detail::ToC(constraints).get(),
                                                 deadline.ns(), &collection, &buffers, call.out());
  if (status != SYSMEM_INVALID_ARGUMENT) Forget();
  if (status != SYSMEM_OK) {
    sysmem_collection_destroy(collection);  // set after a timeout
    return call.TakeFailure();
  }
  return Joined{Collection(collection), Buffers(buffers)};
}

}  // namespace sysmem
