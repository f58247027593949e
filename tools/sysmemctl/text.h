// SPDX-License-Identifier: Apache-2.0
//
// Figures and names as people read them. Everything that a client may have chosen (names,
// commands) goes through Safe before it reaches a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/sysmemctl/colour.h"
#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

// Control characters and broken UTF-8 escaped.
std::string Safe(const std::string& text);
// The same for a whole line: quotation marks stay as they are.
std::string SafeLine(const std::string& text);
// "3.4 MiB"; exact below 1 KiB.
std::string Bytes(uint64_t bytes);
// "4 s", "3 min 7 s", "2 d 4 h".
std::string Duration(uint64_t ns);
// "0-4, 7". Takes them in rising order, each of them once or more.
std::string Ranges(const std::vector<uint64_t>& numbers);
// "COLLECTION_STATE_WAITING" -> "waiting".
std::string EnumWord(const std::string& name, const std::string& prefix);
// "ffmpeg (pid 712, uid 1000)"; what may not be seen is left out.
std::string Process(const Json& peer);
// The last part of a heap's type, which is what people call it: "SYSTEM_RAM".
std::string HeapName(const Json& heap);
// The same of a heap_type; with the id unless that is 0.
std::string ShortHeapName(const std::string& heap_type, uint64_t id);
// "Why:" and the sentences of an explanation, one per line, without the first one if that stands
// above already. Nothing if none is left. Names in it are escaped already, by whoever wrote it.
std::string DescribeWhy(const std::string& explanation, bool headline_is_told,
                        const Colours& colours = Colours(false));

// Rows in aligned columns; the first row is the heading. Columns of numbers align to the right.
class Table {
 public:
  enum class Align { kLeft, kRight };
  explicit Table(std::vector<std::pair<std::string, Align>> columns);
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.empty(); }
  std::string ToString(const Colours& colours = Colours(false)) const;  // the heading in bold

 private:
  std::vector<std::pair<std::string, Align>> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sysmem::ctl
