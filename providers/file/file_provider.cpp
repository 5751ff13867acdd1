#include "providers/file/file_provider.h"

#include <utility>

#include "providers/common/cancel.h"
#include "providers/common/params.h"
#include "providers/file/file_stream.h"
#include "providers/file/limits.h"

namespace rollcall {
namespace {

const KindInfo& file_info() {
  static const KindInfo info{
      "file",
      "A YAML or JSON list of members, followed live.",
      // The file is looked at before it is accepted: a misspelt path shows at once, not at
      // failover.
      /*external=*/true,
      /*needs_endpoints=*/false,
      {{"path", "path", "", true,
        "Absolute path of the list; a symbolic link may lead to it. An empty list is written []."},
       {"poll_ms", "duration_ms", "2000", false,
        "How often to look for changes that inotify does not see, 20 to 5000 ms."},
       {"attest_ms", "duration_ms", "5000", false,
        "How often to look again and say that nothing changed, 50 to 5000 ms."}}};
  return info;
}

class FileProvider : public ClusterProvider {
 public:
  FileProvider(ProviderDescriptor d, const Clock& clock)
      : descriptor_(std::move(d)), clock_(clock) {
    settings_.path = param_text(file_info(), descriptor_, "path");
    settings_.poll = std::chrono::milliseconds(param_integer(file_info(), descriptor_, "poll_ms"));
    settings_.attest =
        std::chrono::milliseconds(param_integer(file_info(), descriptor_, "attest_ms"));
  }

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    auto answer = initial_snapshot(deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    return Capabilities{};
  }

  // Local reads are bounded by the size limit and by what settling may take, well below any
  // deadline.
  Result<ProviderSnapshot> initial_snapshot(MonoTime) override {
    const Cancel never;
    return read_member_file(MemberFile(settings_.path), {clock_, never});
  }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<FileStream>(settings_, clock_);
  }

  Duration attest_interval() const override { return settings_.attest; }

 private:
  const ProviderDescriptor descriptor_;
  const Clock& clock_;
  FileSettings settings_;
};

class FileFactory : public ProviderFactory {
 public:
  const KindInfo& info() const override { return file_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    auto problems = validate_params(info(), d, field);
    check_range(info(), d, field, "poll_ms", limits::kFilePollMinMs, limits::kFilePollMaxMs,
                problems);
    check_range(info(), d, field, "attest_ms", limits::kFileAttestMinMs, limits::kFileAttestMaxMs,
                problems);
    if (d.auth != AuthRef{}) {
      problems.push_back({field_path(field, "auth"), "", "nothing: there is no backend to ask"});
    }
    return problems;
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    return std::make_unique<FileProvider>(d, *context.clock);
  }
};

}  // namespace

std::unique_ptr<ProviderFactory> make_file_factory() { return std::make_unique<FileFactory>(); }

}  // namespace rollcall
