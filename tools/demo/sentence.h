// SPDX-License-Identifier: Apache-2.0
//
// Failures of the demo's own: the same type as the library's, so that every function of a pipeline
// process returns a sysmem::Result and every reason is printed the same way.
#pragma once

#include <string>
#include <sysmem/result.hpp>

namespace sysmem::demo {

// "Something is wrong" as a failure with the status kSystem.
Failure Sentence(std::string text);
// The same, followed by the text of errno, which the failure keeps.
Failure ErrnoSentence(const std::string& what);
// Adds words before the reason: "the analyser: ...".
Failure Prefixed(const std::string& prefix, Failure failure);

// Whether somebody else is to blame: the collection or the session is gone because another process
// or the daemon has left. (Why that one left, it says itself.)
bool IsFaultOfOthers(const Failure& failure);
// The same kind of failure, with a sentence of our own.
Failure OthersLeft(std::string text);

}  // namespace sysmem::demo
