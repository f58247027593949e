// SPDX-License-Identifier: Apache-2.0
//
// What libsysmem shows to the programs that link it: its own interface and nothing of what it is
// made of.
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/programs.h"

namespace sysmem::testing {
namespace {

std::string OutputOf(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string output;
  char chunk[4096];
  while (pipe && std::fgets(chunk, sizeof(chunk), pipe.get()) != nullptr) output += chunk;
  return output;
}

std::vector<std::string> ExportedSymbols() {
  std::istringstream lines(OutputOf("nm -D --defined-only '" + LibraryPath() + "'"));
  std::vector<std::string> symbols;
  std::string address;
  std::string type;
  std::string name;
  while (lines >> address >> type >> name) {
    // Sanitizers leave marks of their own; a version node is no symbol of ours either.
    if (type == "A" || name.rfind("__", 0) == 0) continue;
    symbols.push_back(name.substr(0, name.find('@')));
  }
  return symbols;
}

TEST(ExportedSymbols, AreThoseOfTheInterfaceAlone) {
  const std::vector<std::string> symbols = ExportedSymbols();
  EXPECT_GT(symbols.size(), 100u) << "nm does not see the library's interface";
  for (const std::string& symbol : symbols) {
    EXPECT_EQ(symbol.rfind("sysmem_", 0), 0u) << symbol << " is exported";
  }
}

TEST(ExportedSymbols, NameNothingOfTheLibrariesBelow) {
  const std::string all = OutputOf("nm -D --defined-only -C '" + LibraryPath() + "'");
  ASSERT_FALSE(all.empty());
  for (const char* hidden : {"grpc", "protobuf", "absl", "sysmem2", "std::"}) {
    EXPECT_EQ(all.find(hidden), std::string::npos) << hidden;
  }
}

}  // namespace
}  // namespace sysmem::testing
