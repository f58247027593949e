// SPDX-License-Identifier: Apache-2.0
#include "tools/sysmemctl/top.h"

#include <ncurses.h>
#include <unistd.h>

#include <array>
#include <clocale>
#include <optional>
#include <string>
#include <vector>

#include "tools/sysmemctl/top_model.h"

namespace sysmem::ctl {
namespace {

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The terminal as ncurses wants it, and as it was again at the end.
class Screen {
 public:
  Screen() {
    std::setlocale(LC_CTYPE, "");
    ::initscr();
    ::cbreak();
    ::noecho();
    ::keypad(stdscr, TRUE);
    ::curs_set(0);
  }
  ~Screen() { ::endwin(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void Show(const std::vector<std::string>& lines) {
    ::erase();
    for (size_t i = 0; i < lines.size(); ++i) {
      const bool heading = i == 4 || i + 1 == lines.size();
      const auto row = static_cast<int>(i);
      ::move(row, 0);
      ::addstr(lines[i].c_str());
      // A bar from edge to edge, whatever stands in it.
      const attr_t look = heading ? A_REVERSE : i == 0 ? A_BOLD : A_NORMAL;
      ::move(row, 0);
      ::wchgat(stdscr, -1, look, 0, nullptr);
    }
    ::refresh();
  }
  // A key, or ERR when none came in time.
  int Key(std::chrono::milliseconds patience) {
    ::timeout(static_cast<int>(patience.count()));
    return ::getch();
  }
  // What is typed into the last line, up to Enter.
  std::string Ask(const char* question) {
    constexpr int kMaxAnswer = 64;
    std::array<char, kMaxAnswer + 1> answer{};
    ::timeout(-1);
    ::move(LINES - 1, 0);
    ::clrtoeol();
    ::addstr(question);
    ::echo();
    ::getnstr(answer.data(), kMaxAnswer);
    ::noecho();
    return answer.data();
  }
};

// False: it was the last one.
bool Obey(int key, Screen& screen, TopModel& model) {
  switch (key) {
    case 'q':
      return false;
    case 's':
      model.ChangeOrder();
      break;
    case 'r':
      model.Reverse();
      break;
    case 'p':
      model.SetPaused(!model.paused());
      break;
    case '/':
      model.SetFilter(screen.Ask("only those with: "));
      break;
    case KEY_UP:
      model.Scroll(-1);
      break;
    case KEY_DOWN:
      model.Scroll(1);
      break;
    case KEY_PPAGE:
      model.Scroll(-10);
      break;
    case KEY_NPAGE:
      model.Scroll(10);
      break;
    default:
      break;
  }
  return true;
}

}  // namespace

Result<void> RunTop(DaemonView& daemon, std::chrono::milliseconds interval) {
  if (::isatty(STDOUT_FILENO) == 0 || ::isatty(STDIN_FILENO) == 0) {
    Failure failure;
    failure.status = Status::kInvalidArgument;
    failure.text = failure.message = "top needs a terminal; `list` and `metrics` do not";
    return failure;
  }
  TopModel model;
  std::optional<Screen> screen;  // not before there is something to show
  for (bool going = true; going;) {
    Result<Json> status = daemon.Ask("GetStatus");
    if (!status.ok()) return status.failure();
    Result<Json> collections = daemon.AskAll("ListCollections", "collections");
    if (!collections.ok()) return collections.failure();
    const int64_t looked_at = Now();
    model.Look(*std::move(status), *std::move(collections), looked_at);
    if (!screen) screen.emplace();
    const auto until = std::chrono::steady_clock::now() + interval;
    for (auto left = interval; going && left.count() > 0;
         left = std::chrono::duration_cast<std::chrono::milliseconds>(
             until - std::chrono::steady_clock::now())) {
      screen->Show(model.Lines(static_cast<size_t>(COLS), static_cast<size_t>(LINES)));
      going = Obey(screen->Key(left), *screen, model);
    }
  }
  return {};
}

}  // namespace sysmem::ctl
