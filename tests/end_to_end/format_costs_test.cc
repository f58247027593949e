// SPDX-License-Identifier: Apache-2.0
//
// From a table of costs to pixels: a daemon that was told what formats cost, and the library's
// layout of what it chose.
#include <filesystem>

#include "tests/end_to_end/conformance_recipes.h"
#include "tests/support/temp_dir.h"

namespace sysmem::testing {
namespace {

// Where the daemon can read it: not everybody may look into the source tree.
class CostTable {
 public:
  CostTable() { std::filesystem::copy_file(SYSMEM_DATA_DIR "/format-costs/intel.toml", path()); }
  std::string path() const { return dir_.path() + "/intel.toml"; }

 private:
  TempDir dir_;
};

class FormatCosts : private CostTable, public Conformance {
 protected:
  FormatCosts() : Conformance({.arguments = {"--format-costs", CostTable::path()}}) {}
};

TEST_F(FormatCosts, DecideAmongLayoutsWhichTheLibraryThenKnows) {
  const std::vector<Format> all = {
      {SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_MODIFIER_LINEAR},
      {SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_MODIFIER_ARM_AFBC_16X16},
      {SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_MODIFIER_INTEL_I915_Y_TILED_CCS},
      {SYSMEM_PIXEL_FORMAT_R8G8B8A8, SYSMEM_MODIFIER_INTEL_I915_X_TILED}};
  const auto outcome = Allocate(Formats(all, ForCpu::kYes));
  SYSMEM_ASSERT_OK(outcome);
  ASSERT_NE(outcome->settings().image, nullptr);
  EXPECT_EQ(outcome->settings().image->pixel_format_modifier,
            SYSMEM_MODIFIER_INTEL_I915_Y_TILED_CCS);
  const auto layout = outcome->Layout(256, 256);
  SYSMEM_ASSERT_OK(layout);
  EXPECT_EQ(layout->size_bytes, outcome->settings().size_bytes);
  EXPECT_EQ(layout->plane_count, 4u);
  EXPECT_EQ(layout->planes[3].offset, 8u * 8 * 4096) << "the control surface, behind the tiles";
}

}  // namespace
}  // namespace sysmem::testing
