#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/codec/node_codec.h"
#include "core/limits.h"
#include "tests/backends/environment.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

class FileHarness : public BackendHarness {
 public:
  FileHarness() { write_in_place(path_, "[]\n"); }
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("file");
    d.kind = "file";
    d.watch_params = {{"path", path_}, {"attest_ms", "50"}, {"poll_ms", "20"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    const auto text = nodes_to_json(nodes, 2);
    ASSERT_TRUE(text.has_value());
    text_ = *text;
    write_and_rename(path_, text_);
  }
  bool break_down() override { return ::unlink(path_.c_str()) == 0; }
  void repair() override { write_and_rename(path_, text_); }
  std::optional<ErrorCode> exceed_limits() override {
    const std::string beside = path_ + ".large";
    write_in_place(beside, text_);
    std::filesystem::resize_file(beside, limits::kMaxMemberFileBytes + 1);
    std::filesystem::rename(beside, path_);
    return ErrorCode::LimitExceeded;
  }

 private:
  RealClock clock_;
  TempDir directory_;
  const std::string path_ = (directory_ / "members.json").string();
  std::string text_ = "[]\n";
};

}  // namespace

const char* harness_kind() { return "file"; }
std::unique_ptr<BackendHarness> make_harness() { return std::make_unique<FileHarness>(); }

}  // namespace rollcall::test
