// SPDX-License-Identifier: Apache-2.0
//
// Where the programs of this build are, for processes of every user.
//
// A test program finds the others in its own folder. When that folder is closed to other users (a
// build below somebody's home), programs and library are copied to a directory below /tmp first,
// once per test process.
#pragma once

#include <string>

namespace sysmem::testing {

// Path of a program that every user can start: ProgramPath("sysmemd"). Fails the test when this
// build has no such program.
std::string ProgramPath(const std::string& name);

// Whether this build has the program.
bool HasProgram(const std::string& name);

// The client library of this build, where it was built.
std::string LibraryPath();

}  // namespace sysmem::testing
