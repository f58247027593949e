// SPDX-License-Identifier: Apache-2.0
#include "scenario/kinds.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <string_view>

#include "core/color_space.h"
#include "core/format_names.h"
#include "core/pixel_format.h"
#include "core/usage_names.h"
#include "scenario/numbers.h"

namespace sysmem::scenario {
namespace {

constexpr size_t kTextBytes = 256;  // MESSAGE_LIMIT_CLIENT_NAME_BYTES of the protocol
constexpr size_t kStoryBytes = 4096;
constexpr size_t kHeapTypeBytes = 128;  // MESSAGE_LIMIT_HEAP_TYPE_BYTES

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) {
    return c == '-' ? '_' : static_cast<char>(std::toupper(c));
  });
  return upper;
}

const std::string* TextOf(const Value& value) { return std::get_if<std::string>(&value.data); }

template <typename T>
std::optional<T> Fitting(std::optional<uint64_t> number) {
  if (!number || *number > std::numeric_limits<T>::max()) return std::nullopt;
  return static_cast<T>(*number);
}

template <typename T>
std::optional<T> ReadNumber(const Value& value) {
  if (const uint64_t* number = std::get_if<uint64_t>(&value.data)) return Fitting<T>(*number);
  const std::string* text = TextOf(value);
  return text == nullptr ? std::nullopt : Fitting<T>(ParseNumber(*text));
}

template <typename T>
std::optional<T> ReadBytes(const Value& value) {
  const std::string* text = TextOf(value);
  return text == nullptr ? ReadNumber<T>(value) : Fitting<T>(ParseBytes(*text));
}

template <typename T>
std::string AllowedNumber() {
  return "a whole number from 0 to " + std::to_string(std::numeric_limits<T>::max());
}
template <typename T>
std::string AllowedBytes() {
  return AllowedNumber<T>() + R"( or a text such as "64KiB" (B, KiB, MiB, GiB, kB, MB, GB))";
}

std::optional<bool> ReadFlag(const Value& value) {
  const bool* flag = std::get_if<bool>(&value.data);
  return flag == nullptr ? std::nullopt : std::optional(*flag);
}

template <size_t kMaxBytes>
std::optional<std::string> ReadText(const Value& value) {
  const std::string* text = TextOf(value);
  if (text == nullptr || text->empty() || text->size() > kMaxBytes) return std::nullopt;
  return *text;
}

template <size_t kMaxBytes>
std::string AllowedText() {
  return "a text of 1 to " + std::to_string(kMaxBytes) + " bytes";
}

std::optional<double> ReadCost(const Value& value) {
  if (const uint64_t* number = std::get_if<uint64_t>(&value.data)) {
    return static_cast<double>(*number);
  }
  const double* number = std::get_if<double>(&value.data);
  if (number == nullptr || !std::isfinite(*number) || *number < 0) return std::nullopt;
  return *number;
}

std::optional<core::SizeU> ReadSize(const Value& value) {
  std::optional<uint32_t> width;
  std::optional<uint32_t> height;
  if (const Array* array = std::get_if<Array>(&value.data); array && array->size() == 2) {
    width = ReadNumber<uint32_t>((*array)[0]);
    height = ReadNumber<uint32_t>((*array)[1]);
  } else if (const std::string* text = TextOf(value)) {
    const size_t cross = text->find('x');
    if (cross == std::string::npos) return std::nullopt;
    width = Fitting<uint32_t>(ParseNumber(std::string_view(*text).substr(0, cross)));
    height = Fitting<uint32_t>(ParseNumber(std::string_view(*text).substr(cross + 1)));
  }
  if (!width || !height) return std::nullopt;
  return core::SizeU{*width, *height};
}

// --- Names of the core's tables.

constexpr uint32_t kLastPixelFormat = 255;
constexpr uint32_t kLastColorSpace = 31;
constexpr uint64_t kModifiers[] = {
    core::modifier::kLinear,
    core::modifier::kDoNotCare,
    core::modifier::kIntelXTiled,
    core::modifier::kIntelYTiled,
    core::modifier::kIntelYfTiled,
    core::modifier::kIntelYTiledCcs,
    core::modifier::kIntelYfTiledCcs,
    core::modifier::kArmAfbc16x16,
    core::modifier::kArmAfbc32x8,
    core::modifier::kArmLinearTe,
    core::modifier::kArmAfbc16x16Te,
    core::modifier::kArmAfbc32x8Te,
    core::modifier::kArmAfbc16x16YuvTiledHeader,
    core::modifier::kArmAfbc16x16SplitBlockSparseYuv,
    core::modifier::kArmAfbc16x16SplitBlockSparseYuvTe,
    core::modifier::kArmAfbc16x16SplitBlockSparseYuvTiledHeader,
    core::modifier::kArmAfbc16x16SplitBlockSparseYuvTeTiledHeader,
    core::modifier::kGoogleGoldfishOptimal,
};

std::vector<uint32_t> PixelFormats() {
  std::vector<uint32_t> numbers;
  for (uint32_t number = 0; number <= kLastPixelFormat; ++number) {
    if (core::FindPixelFormat(number) != nullptr) numbers.push_back(number);
  }
  numbers.push_back(core::pixel_format::kDoNotCare);
  return numbers;
}

// "INTEL_I915_X_TILED" is also called "I915_X_TILED", and "ARM_AFBC_16X16" "AFBC_16X16".
std::optional<uint64_t> ModifierNamed(const std::string& name) {
  for (const char* vendor : {"", "INTEL_", "ARM_"}) {
    if (const auto number = core::ModifierOfName(vendor + name)) return number;
  }
  return std::nullopt;
}

std::string AllowedPixelFormats() {
  std::string names;
  for (const uint32_t number : PixelFormats()) names += core::PixelFormatName(number) + ", ";
  return "a pixel format (" + names + "or a number)";
}

std::string AllowedModifiers() {
  std::string names;
  for (const uint64_t number : kModifiers) names += core::ModifierName(number) + ", ";
  return "a modifier (" + names + "or a number)";
}

std::string AllowedColorSpaces() {
  std::string names;
  for (uint32_t number = 1; number <= kLastColorSpace; ++number) {
    const std::string name = core::ColorSpaceName(number);
    if (name != std::to_string(number)) names += name + ", ";
  }
  return "a color space (" + names + "DO_NOT_CARE, or a number)";
}

std::optional<uint32_t> ReadPixelFormat(const Value& value) {
  const std::string* text = TextOf(value);
  if (text != nullptr) {
    if (const auto named = core::PixelFormatOfName(UpperCase(*text))) return named;
    return core::ParsePixelFormat(*text);
  }
  return ReadNumber<uint32_t>(value);
}

std::optional<uint64_t> ReadModifier(const Value& value) {
  const std::string* text = TextOf(value);
  if (text != nullptr) {
    if (const auto named = ModifierNamed(UpperCase(*text))) return named;
    return core::ParseModifier(*text);
  }
  return ReadNumber<uint64_t>(value);
}

std::optional<uint32_t> ReadColorSpace(const Value& value) {
  if (const std::string* text = TextOf(value)) {
    const std::string name = UpperCase(*text);
    for (uint32_t number = 1; number <= kLastColorSpace; ++number) {
      if (core::ColorSpaceName(number) == name) return number;
    }
    if (name == core::ColorSpaceName(core::color_space::kDoNotCare)) {
      return core::color_space::kDoNotCare;
    }
  }
  return ReadNumber<uint32_t>(value);
}

std::optional<core::PixelFormatAndModifier> ReadPair(const Value& value) {
  const std::string* text = TextOf(value);
  if (text == nullptr) return std::nullopt;
  const size_t blank = text->find(' ');
  const auto format = ReadPixelFormat(Value{{}, text->substr(0, blank)});
  const auto modifier = blank == std::string::npos
                            ? core::modifier::kLinear
                            : ReadModifier(Value{{}, text->substr(blank + 1)});
  if (!format || !modifier) return std::nullopt;
  return core::PixelFormatAndModifier{*format, *modifier};
}

std::string AllowedPairs() {
  return "a pixel format and a modifier, such as \"NV12 LINEAR\"; " + AllowedPixelFormats() + "; " +
         AllowedModifiers();
}

// --- Heaps.

constexpr const char* kFamousHeaps[] = {
    core::kHeapSystemRam,
    "fuchsia.sysmem.heap.HEAP_TYPE.FRAMEBUFFER",
    "fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE",
    "fuchsia.amlogic.platform.sysmem.heap.HEAP_TYPE.SECURE_VDEC",
    "fuchsia.goldfish.platform.sysmem.heap.HEAP_TYPE.DEVICE_LOCAL",
    "fuchsia.goldfish.platform.sysmem.heap.HEAP_TYPE.HOST_VISIBLE",
};

std::string WholeHeapType(std::string_view name) {
  if (name.find('.') != std::string_view::npos) return std::string(name);
  const std::string last = UpperCase(name);
  for (const std::string_view famous : kFamousHeaps) {
    if (famous.substr(famous.rfind('.') + 1) == last) return std::string(famous);
  }
  return "linux.sysmem.heap.HEAP_TYPE." + last;
}

std::optional<core::Heap> ReadHeapName(const Value& value) {
  const std::string* text = TextOf(value);
  if (text == nullptr || text->empty()) return std::nullopt;
  const size_t mark = text->find('#');
  std::optional<uint64_t> id = 0;
  if (mark != std::string::npos) id = ParseNumber(std::string_view(*text).substr(mark + 1));
  core::Heap heap{WholeHeapType(std::string_view(*text).substr(0, mark))};
  if (!id || heap.type.size() > kHeapTypeBytes) return std::nullopt;
  heap.id = *id;
  return heap;
}

// --- Usage.

enum UsageIndex { kNone, kCpu, kVulkan, kDisplay, kVideo };

template <UsageIndex kIndex>
std::optional<uint32_t> ReadUsageBit(const Value& value) {
  if (const std::string* text = TextOf(value)) {
    const std::string name = UpperCase(*text);
    for (const core::UsageBit& bit : core::UsageClasses()[kIndex].bits) {
      if (name == bit.name) return bit.bit;
    }
  }
  return ReadNumber<uint32_t>(value);
}

template <UsageIndex kIndex>
std::string AllowedUsageBits() {
  std::string names;
  for (const core::UsageBit& bit : core::UsageClasses()[kIndex].bits)
    names += std::string(bit.name) + ", ";
  return "a usage (" + names + "or a number)";
}

}  // namespace

const Kind<bool> kFlag{[] { return std::string("true or false"); }, ReadFlag};
const Kind<std::string> kText{AllowedText<kTextBytes>, ReadText<kTextBytes>};
const Kind<std::string> kStory{AllowedText<kStoryBytes>, ReadText<kStoryBytes>};
const Kind<uint32_t> kNumber32{AllowedNumber<uint32_t>, ReadNumber<uint32_t>};
const Kind<uint64_t> kNumber64{AllowedNumber<uint64_t>, ReadNumber<uint64_t>};
const Kind<double> kCost{[] { return std::string("a number that is not negative"); }, ReadCost};
const Kind<uint32_t> kBytes32{AllowedBytes<uint32_t>, ReadBytes<uint32_t>};
const Kind<uint64_t> kBytes64{AllowedBytes<uint64_t>, ReadBytes<uint64_t>};
const Kind<core::SizeU> kSize{
    [] { return std::string(R"(two whole numbers, "1920x1080" or [1920, 1080])"); }, ReadSize};
const Kind<uint32_t> kPixelFormat{AllowedPixelFormats, ReadPixelFormat};
const Kind<uint64_t> kModifier{AllowedModifiers, ReadModifier};
const Kind<uint32_t> kColorSpace{AllowedColorSpaces, ReadColorSpace};
const Kind<core::PixelFormatAndModifier> kPair{AllowedPairs, ReadPair};
const Kind<core::Heap> kHeapName{
    [] {
      return std::string(
          R"(the name of a heap: "SYSTEM_RAM", a whole heap_type, or with an id "NAME#1")");
    },
    ReadHeapName};
const Kind<uint32_t> kNoneUsageBit{AllowedUsageBits<kNone>, ReadUsageBit<kNone>};
const Kind<uint32_t> kCpuUsageBit{AllowedUsageBits<kCpu>, ReadUsageBit<kCpu>};
const Kind<uint32_t> kVulkanUsageBit{AllowedUsageBits<kVulkan>, ReadUsageBit<kVulkan>};
const Kind<uint32_t> kDisplayUsageBit{AllowedUsageBits<kDisplay>, ReadUsageBit<kDisplay>};
const Kind<uint32_t> kVideoUsageBit{AllowedUsageBits<kVideo>, ReadUsageBit<kVideo>};

}  // namespace sysmem::scenario
