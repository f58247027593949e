// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/sentence.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace sysmem::demo {

Failure Sentence(std::string text) {
  Failure failure{.status = Status::kSystem, .message = text};
  failure.text = std::move(text);
  return failure;
}

Failure ErrnoSentence(const std::string& what) {
  const int error = errno;
  Failure failure = Sentence(what + ": " + std::generic_category().message(error));
  failure.system_errno = error;
  return failure;
}

Failure Prefixed(const std::string& prefix, Failure failure) {
  failure.message = prefix + ": " + failure.message;
  failure.text = prefix + ": " + failure.text;
  return failure;
}

bool IsFaultOfOthers(const Failure& failure) {
  // A token whose collection has failed on its way here stands for nothing any more.
  const bool came_too_late =
      failure.status == Status::kRefused && failure.error == sysmem::Error::kNotFound;
  return failure.status == Status::kClosed || failure.status == Status::kDisconnected ||
         came_too_late || failure.system_errno == EPIPE;
}

Failure OthersLeft(std::string text) {
  Failure failure = Sentence(std::move(text));
  failure.status = Status::kClosed;
  return failure;
}

}  // namespace sysmem::demo
