// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/progress.h"

#include <unistd.h>

#include <cstdio>

namespace sysmem::demo {
namespace {

using namespace std::chrono_literals;
constexpr auto kBetweenLines = 5s;

}  // namespace

Progress::Progress() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

void Progress::Begin(const std::string& text) {
  last_ = {};
  Update(text);
}

void Progress::Update(const std::string& text) {
  if (is_terminal_) {
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    is_shown_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < kBetweenLines) return;
  last_ = now;
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::Clear() {
  if (is_shown_) std::fputs("\r\033[K", stderr);
  is_shown_ = false;
}

}  // namespace sysmem::demo
