// SPDX-License-Identifier: Apache-2.0
//
// What `sysmemctl top` shows, without the terminal: from two looks at the daemon to lines of text.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/sysmemctl/daemon_view.h"

namespace sysmem::ctl {

enum class TopOrder { kSize, kBuffers, kNodes, kAge, kName };

class TopModel {
 public:
  // One look: GetStatus and all collections, at `now_ns` of a clock that never goes back.
  void Look(Json status, Json collections, int64_t now_ns);

  // The next one in the list above; round and round.
  void ChangeOrder();
  void Reverse() { reversed_ = !reversed_; }
  // Only collections in whose name, creator or state this occurs, whatever its case. Empty: all.
  void SetFilter(std::string filter);
  const std::string& filter() const { return filter_; }
  // Looks change nothing while it is paused.
  void SetPaused(bool paused) { paused_ = paused; }
  bool paused() const { return paused_; }
  // The first collection shown, counted from 0; kept inside the list.
  void Scroll(int64_t by);

  // What to show on `height` lines of `width` columns; the last one is of the keys. Nothing in them
  // can move a cursor. REQUIRES: a Look.
  std::vector<std::string> Lines(size_t width, size_t height) const;

 private:
  std::vector<const Json*> Shown() const;
  std::string RatePerSecond(const std::string& counter) const;
  std::string Headline() const;
  std::string MemoryLine() const;
  std::string PoolLine() const;

  Json status_;
  Json collections_ = Json::array();
  int64_t at_ns_ = 0;
  // Of the counters: at the look before this one.
  std::map<std::string, uint64_t> before_;
  int64_t before_ns_ = 0;
  TopOrder order_ = TopOrder::kSize;
  bool reversed_ = false;
  bool paused_ = false;
  std::string filter_;
  size_t first_ = 0;
};

}  // namespace sysmem::ctl
