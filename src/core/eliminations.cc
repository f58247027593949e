// SPDX-License-Identifier: Apache-2.0
#include "core/eliminations.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "core/blame.h"
#include "core/color_space.h"
#include "core/field_values.h"
#include "core/format_pair.h"
#include "core/image_layout.h"
#include "core/merge.h"
#include "core/pixel_format.h"
#include "core/sanitise.h"

namespace sysmem::core {
namespace {

// `NV12 LINEAR drops out: why` -> `why`: an elimination begins with the name already.
std::string WithoutSubject(const std::string& message, const std::string& name) {
  const std::string subject = name + " drops out: ";
  return message.rfind(subject, 0) == 0 ? message.substr(subject.size()) : message;
}

// How many are named for each format or heap.
constexpr size_t kNamedForOne = 4;
// Heaps have names of a client's choice.
constexpr size_t kHeapsLookedAt = 64;

constexpr char kFormats[] = "image_format_constraints";

std::string MemoryPath(const char* field) { return std::string(kMemoryPath) + field; }

class Finder {
 public:
  Finder(const std::vector<Participant>& participants, const Settings& settings,
         const Labels& labels, size_t most, Work& work)
      : participants_(participants),
        settings_(settings),
        labels_(labels),
        most_(most),
        work_(work) {}

  Eliminations Run() {
    if (MergeFormats()) {
      LookAtWhatIsLeft();
      LookAtHeaps();
    }
    return std::move(found_);
  }

 private:
  void Add(Elimination one) {
    if (found_.told.size() < most_) {
      found_.told.push_back(std::move(one));
    } else {
      ++found_.untold;
    }
  }

  // Those who say something about the field, as far as work allows.
  Statements WhoSays(const std::string& field, const FormatFilter& filter = {}) {
    Statements all;
    if (!work_.Spend(participants_.size())) return all;
    for (const Participant& one : participants_) {
      const auto value = FindFieldValue(ConstraintsOf(one), field, filter);
      if (value) Say(all, one, value->text);
    }
    return all;
  }

  void Say(Statements& all, const Participant& one, const std::string& value) {
    if (all.told.size() < kNamedForOne) {
      all.told.push_back(labels_.Of(one, value));
    } else {
      ++all.untold;
    }
  }

  // --- Image formats.

  // False if there is a participant whose message is wrong by itself, or no work left.
  bool MergeFormats() {
    for (size_t i = 0; i < participants_.size(); ++i) {
      const Constraints& asked = ConstraintsOf(participants_[i]);
      if (!work_.Spend(WorkFor(participants_[i]) + formats_.size())) return false;
      auto sane = SanitiseParticipant(asked, settings_);
      if (!sane.ok()) return false;
      std::vector<DroppedFormat> dropped;
      const MaybeRejection none_left = MergeImageFormats(
          formats_, std::move(sane).value().image_formats, settings_.limits, &dropped);
      for (const DroppedFormat& one : dropped) AddFormat(one, i);
      if (none_left) {
        formats_.clear();
        break;
      }
    }
    return true;
  }

  void AddFormat(const DroppedFormat& dropped, size_t newcomer) {
    const auto& pair = dropped.format;
    if (!seen_.emplace(pair.pixel_format, pair.modifier).second) return;
    Elimination one{.name = PairName(pair), .field = kFormats, .why = "not offered by", .by = {}};
    switch (dropped.because) {
      case DroppedFormat::Because::kNewcomerLacksIt:
        one.by = WhoLacks(pair, newcomer);
        break;
      case DroppedFormat::Because::kNewcomerAlone:
        one.by = WhoLacks(pair, 0);
        break;
      case DroppedFormat::Because::kCannotBeOne:
        one.field = dropped.why.fields.front();
        one.why = WithoutSubject(dropped.why.message, one.name);
        one.by = WhoSays(one.field, {.pair = pair, .entry = {}});
        break;
    }
    const bool lacking = dropped.because != DroppedFormat::Because::kCannotBeOne;
    if (lacking && one.by.told.empty()) one.why = "not offered by everybody";  // no work was left
    Add(std::move(one));
  }

  bool Lacks(const Participant& participant, const PixelFormatAndModifier& wanted) const {
    const Constraints& c = ConstraintsOf(participant);
    for (const ImageFormatConstraints& image : c.image_formats) {
      const auto pairs = FlattenPairs(image, c.usage.value_or(BufferUsage{}));
      if (!pairs.ok()) continue;
      for (const PixelFormatAndModifier& pair : pairs.value()) {
        if (CombinePairs(pair, wanted)) return false;
      }
    }
    return !c.image_formats.empty();
  }

  // From position `first` on, then those before.
  Statements WhoLacks(const PixelFormatAndModifier& pair, size_t first) {
    Statements all;
    for (size_t step = 0; step < participants_.size(); ++step) {
      const Participant& one = participants_[(first + step) % participants_.size()];
      if (!work_.Spend(WorkFor(one))) break;
      if (!Lacks(one, pair)) continue;
      const auto offer = FindFieldValue(ConstraintsOf(one), kFormats, {});
      Say(all, one, offer ? offer->text : "");
    }
    return all;
  }

  // C13, C14, FMT-1.
  void LookAtWhatIsLeft() {
    const bool secure = !WhoSays(MemoryPath("secure_required")).told.empty();
    for (const SanitisedImageFormat& format : formats_) {
      Elimination one{.name = PairName(format.format), .field = kFormats, .why = {}, .by = {}};
      if (!IsSpecific(format.format)) {
        one.why = "nobody says which pixel format and modifier it is";
      } else if (format.color_spaces.front() == color_space::kDoNotCare) {
        one.field = std::string(kImagePath) + "color_spaces";
        one.why = "nobody says which colour space it has";
      } else if (secure && !IsCompatibleWithProtectedMemory(format.format)) {
        one.field = MemoryPath("secure_required");
        one.why = "it cannot lie in secure memory, which is required by";
        one.by = WhoSays(one.field);
      } else {
        continue;
      }
      Add(std::move(one));
    }
  }

  // --- Heaps.

  void LookAtHeaps() {
    std::vector<Heap> named;
    for (const Participant& one : participants_) {
      const auto& memory = ConstraintsOf(one).memory;
      if (!memory || !memory->permitted_heaps) continue;
      for (const HeapWish& wish : *memory->permitted_heaps) {
        Heap heap{wish.type.value_or(""), wish.id.value_or(0)};
        if (named.size() >= kHeapsLookedAt || !work_.Spend(1)) break;
        if (std::find(named.begin(), named.end(), heap) == named.end()) {
          named.push_back(std::move(heap));
        }
      }
    }
    if (named.empty()) named.push_back({kHeapSystemRam, 0});
    for (const Heap& heap : named) LookAtHeap(heap);
  }

  void LookAtHeap(const Heap& heap) {
    Elimination one{.what = Elimination::What::kHeap,
                    .name = heap.type + " " + std::to_string(heap.id),
                    .field = MemoryPath("permitted_heaps"),
                    .why = "not permitted by",
                    .by = WhoForbids(heap)};
    if (!one.by.told.empty()) return Add(std::move(one));
    one.by = WhoMayNotUse(heap);
    if (!one.by.told.empty()) {
      one.field = kAccessPath;
      one.why = "by the daemon's configuration not to be used by";
      return Add(std::move(one));
    }
    const HeapProperties* const properties = FindHeap(heap, settings_);
    if (properties == nullptr) {
      one.why = "this machine has no such heap";
      return Add(std::move(one));
    }
    const bool is_secure = std::find(settings_.secure_heaps.begin(), settings_.secure_heaps.end(),
                                     heap) != settings_.secure_heaps.end();
    one.by = WhoSays(MemoryPath("secure_required"));
    if (!one.by.told.empty()) {
      if (is_secure) return;
      one.field = MemoryPath("secure_required");
      one.why = "it is not secure, which is required by";
      return Add(std::move(one));
    }
    // Who says so knows more than "not known beforehand".
    if (!properties->physically_contiguous.value_or(heap != Heap{kHeapSystemRam, 0})) {
      one.field = MemoryPath("physically_contiguous_required");
      one.why = "it is not handed out contiguously, which is required by";
      one.by = WhoSays(one.field);
      if (!one.by.told.empty()) return Add(std::move(one));
    }
    LookAtDomains(*properties, std::move(one));
  }

  Statements WhoForbids(const Heap& heap) {
    Statements all;
    for (const Participant& one : participants_) {
      const auto& memory = ConstraintsOf(one).memory;
      if (!memory || !memory->permitted_heaps) continue;
      const auto& permitted = *memory->permitted_heaps;
      if (!work_.Spend(permitted.size())) break;
      const bool permits =
          std::any_of(permitted.begin(), permitted.end(), [&heap](const HeapWish& wish) {
            return wish.type == heap.type && wish.id.value_or(0) == heap.id;
          });
      if (permits) continue;
      const auto list = FindFieldValue(ConstraintsOf(one), MemoryPath("permitted_heaps"), {});
      Say(all, one, list ? list->text : "");
    }
    return all;
  }

  Statements WhoMayNotUse(const Heap& heap) {
    Statements all;
    if (!work_.Spend(participants_.size())) return all;
    for (const Participant& one : participants_) {
      if (IsDenied(one, heap.type)) Say(all, one, "");
    }
    return all;
  }

  void LookAtDomains(const HeapProperties& heap, Elimination one) {
    struct Row {
      bool served;
      const char* name;
      const char* field;
    };
    const Row rows[] = {
        {heap.cpu_domain, "CPU", "cpu_domain_supported"},
        {heap.ram_domain, "RAM", "ram_domain_supported"},
        {heap.inaccessible_domain, "inaccessible", "inaccessible_domain_supported"}};
    std::string served;
    Statements refusals;
    for (const Row& row : rows) {
      if (!row.served) continue;
      Statements by = WhoSays(MemoryPath(row.field));
      if (by.told.empty()) return;  // this one can be had
      served += (served.empty() ? "" : ", ") + std::string(row.name);
      if (refusals.told.empty()) one.field = MemoryPath(row.field);
      for (Statement& statement : by.told) {
        statement.value = std::string(row.field) + " " + statement.value;
        refusals.told.push_back(std::move(statement));
      }
      refusals.untold += by.untold;
    }
    one.why = "of the coherency domains it serves (" + served + ") each one is refused by somebody";
    one.by = std::move(refusals);
    Add(std::move(one));
  }

  const std::vector<Participant>& participants_;
  const Settings& settings_;
  const Labels& labels_;
  const size_t most_;
  Work& work_;
  std::set<std::pair<uint32_t, uint64_t>> seen_;
  std::vector<SanitisedImageFormat> formats_;  // what is left of them
  Eliminations found_;
};

}  // namespace

Eliminations FindEliminations(const std::vector<Participant>& participants,
                              const Settings& settings, const Labels& labels, size_t most,
                              Work& work) {
  return Finder(participants, settings, labels, most, work).Run();
}

}  // namespace sysmem::core
