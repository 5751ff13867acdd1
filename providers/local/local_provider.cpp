#include "providers/local/local_provider.h"

#include <sys/stat.h>

#include <utility>

#include "providers/common/params.h"
#include "providers/local/limits.h"
#include "providers/local/local_announcer.h"
#include "providers/local/local_stream.h"

namespace rollcall {
namespace {

const KindInfo& local_info() {
  static const KindInfo info{
      "local",
      "The node processes of this host that registered themselves (rollcall local register).",
      // The registry is looked at before it is accepted: a wrong owner or a broken file shows at
      // once.
      /*external=*/true,
      /*needs_endpoints=*/false,
      {{"directory", "path", "", false,
        "Absolute path of the registry's directory; default: local in the state directory."},
       {"labels", "bool", "true", false,
        "Whether members carry the labels rollcall-socket and rollcall-version; false: they look "
        "as at other providers."},
       {"poll_ms", "duration_ms", "1000", false,
        "How often to look for what inotify and pidfds do not see, 20 to 5000 ms."},
       {"attest_ms", "duration_ms", "5000", false,
        "How often to read the registry again and say that nothing changed, 50 to 5000 ms."},
       {"lock_wait_ms", "duration_ms", "2000", false,
        "Longest wait for the registry's lock, 10 to 5000 ms."}},
      /*announces=*/true};
  return info;
}

LocalSettings settings_of(const ProviderDescriptor& d, const std::string& state_dir) {
  const auto ms = [&](std::string_view name) {
    return std::chrono::milliseconds(param_integer(local_info(), d, name));
  };
  LocalSettings settings;
  settings.directory = param_text(local_info(), d, "directory");
  if (settings.directory.empty()) settings.directory = state_dir + "/local";
  settings.poll = ms("poll_ms");
  settings.attest = ms("attest_ms");
  settings.lock_wait = ms("lock_wait_ms");
  settings.labels = param_bool(local_info(), d, "labels");
  return settings;
}

class LocalProvider : public ClusterProvider {
 public:
  LocalProvider(ProviderDescriptor d, const ProviderContext& context)
      : descriptor_(std::move(d)),
        files_(*context.files),
        clock_(*context.clock),
        settings_(settings_of(descriptor_, context.state_dir)) {
    // Made before the first node comes, once: one that goes away later (unmounted, say) is missed
    // and not made anew, empty. What hinders it is told by whoever looks.
    struct stat s {};
    if (::stat(settings_.directory.c_str(), &s) != 0) {
      (void)files_.make_directory(settings_.directory);
    }
  }

  const ProviderDescriptor& descriptor() const override { return descriptor_; }

  Result<Capabilities> check_connectivity(MonoTime deadline) override {
    auto answer = initial_snapshot(deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    return Capabilities{};
  }

  Result<ProviderSnapshot> initial_snapshot(MonoTime deadline) override {
    ProviderSnapshot answer;
    answer.times.read_began = clock_.now();
    LocalRegistry registry(files_, clock_, settings_.directory);
    const LockWait wait{std::min(settings_.lock_wait, deadline - clock_.now()), {}};
    auto collected = look_at_registry(registry, wait, [](const ProcessIdentity&) { return false; });
    if (!collected) return tl::unexpected(std::move(collected.error()));
    answer.members = members_of(*collected, settings_.labels);
    answer.backend_index = "revision " + std::to_string(collected->revision);
    answer.times.complete = clock_.now();
    answer.times.observed_at = clock_.wall_now();
    return answer;
  }

  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<LocalStream>(settings_, files_, clock_);
  }

  std::unique_ptr<Announcer> announcer(const Announcement& what) override {
    return make_local_announcer(settings_, what, files_, clock_);
  }

  Duration attest_interval() const override { return settings_.attest; }

 private:
  const ProviderDescriptor descriptor_;
  FileSystem& files_;
  const Clock& clock_;
  const LocalSettings settings_;
};

class LocalFactory : public ProviderFactory {
 public:
  const KindInfo& info() const override { return local_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    auto problems = validate_params(info(), d, field);
    check_range(info(), d, field, "poll_ms", limits::kLocalPollMinMs, limits::kLocalPollMaxMs,
                problems);
    check_range(info(), d, field, "attest_ms", limits::kLocalAttestMinMs, limits::kLocalAttestMaxMs,
                problems);
    check_range(info(), d, field, "lock_wait_ms", limits::kLocalLockWaitMinMs,
                limits::kLocalLockWaitMaxMs, problems);
    if (d.auth != AuthRef{}) {
      problems.push_back({field_path(field, "auth"), "",
                          "nothing: the registry is this user's file, there is nobody to ask"});
    }
    return problems;
  }

  Result<std::unique_ptr<ClusterProvider>> create(const ProviderDescriptor& d,
                                                  const ProviderContext& context) const override {
    if (auto problems = validate(d, ""); !problems.empty()) {
      return fail(ErrorCode::InvalidConfig, "provider " + d.id.str(), std::move(problems));
    }
    return std::make_unique<LocalProvider>(d, context);
  }
};

}  // namespace

std::unique_ptr<ProviderFactory> make_local_factory() { return std::make_unique<LocalFactory>(); }

}  // namespace rollcall
