#include "providers/in_memory/in_memory_provider.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "providers/common/params.h"
#include "providers/in_memory/member_state.h"

namespace rollcall {
namespace {

constexpr std::int64_t kMinAttestMs = 50;
constexpr std::int64_t kMaxAttestMs = 5000;  // SPEC 3: in-memory and file attest every 5 s

const KindInfo& in_memory_info() {
  static const KindInfo info{
      "in-memory",
      "Members that join and leave through the admin API, kept in the state directory.",
      /*external=*/false,
      /*needs_endpoints=*/false,
      {{"attest_ms", "duration_ms", "5000", false,
        "How often it says that nothing changed, 50 to 5000 ms."}}};
  return info;
}

AnswerTimes times_now(const Clock& clock) {
  const MonoTime now = clock.now();
  return {now, now, clock.wall_now()};
}

ProviderSnapshot snapshot_of(MemberState::View view, const Clock& clock) {
  ProviderSnapshot answer;
  answer.members = std::move(view.members);
  answer.backend_index = std::to_string(view.version);
  answer.times = times_now(clock);
  return answer;
}

class InMemoryStream : public ProviderStream {
 public:
  InMemoryStream(std::shared_ptr<const MemberState> state, const Clock& clock, Duration attest)
      : state_(std::move(state)), clock_(clock), attest_(attest) {}

  ProviderEvent next() override {
    if (!told_) return everything();
    state_->wait(version_, cancelled_, attest_);
    MemberState::Changes changes = state_->changes_since(version_);
    if (!changes.complete) return everything();
    if (changes.version == version_) return UnchangedAnswer{times_now(clock_)};
    version_ = changes.version;
    return ChangeAnswer{std::move(changes.upserts), std::move(changes.removals),
                        std::to_string(version_), times_now(clock_)};
  }

  void cancel() noexcept override { state_->wake(cancelled_); }

 private:
  ProviderEvent everything() {
    MemberState::View view = state_->view();
    version_ = view.version;
    told_ = true;
    return snapshot_of(std::move(view), clock_);
  }

  const std::shared_ptr<const MemberState> state_;
  const Clock& clock_;
  const Duration attest_;
  bool cancelled_ = false;  // guarded by the state's mutex (MemberState::wake, wait)
  bool told_ = false;
  std::uint64_t version_ = 0;
};

class InMemoryProvider : public ClusterProvider {
 public:
  InMemoryProvider(ProviderDescriptor d, std::shared_ptr<MemberState> state, const Clock& clock)
      : descriptor_(std::move(d)),
        state_(std::move(state)),
        clock_(clock),
        attest_(
            std::chrono::milliseconds(param_integer(in_memory_info(), descriptor_, "attest_ms"))) {}

  const ProviderDescriptor& descriptor() const override { return descriptor_; }
  Result<Capabilities> check_connectivity(MonoTime) override { return Capabilities{}; }
  Result<ProviderSnapshot> initial_snapshot(MonoTime) override {
    return snapshot_of(state_->view(), clock_);
  }
  std::unique_ptr<ProviderStream> stream() override {
    return std::make_unique<InMemoryStream>(state_, clock_, attest_);
  }
  Duration attest_interval() const override { return attest_; }
  MemberRegistrar* registrar() override { return state_.get(); }

 private:
  const ProviderDescriptor descriptor_;
  const std::shared_ptr<MemberState> state_;
  const Clock& clock_;
  const Duration attest_;
};

class InMemoryFactory : public ProviderFactory {
 public:
  const KindInfo& info() const override { return in_memory_info(); }

  std::vector<Problem> validate(const ProviderDescriptor& d,
                                std::string_view field) const override {
    auto problems = validate_params(info(), d, field);
    check_range(info(), d, field, "attest_ms", kMinAttestMs, kMaxAttestMs, problems);
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
    auto state = shared_state(context, context.state_dir + "/members/" + d.id.str());
    if (!state) return tl::unexpected(std::move(state.error()));
    return std::make_unique<InMemoryProvider>(d, std::move(*state), *context.clock);
  }

 private:
  // Two states over the same files would overwrite each other's members. The lock is held while the
  // files are read: whoever else wants this provider has to wait for them anyway.
  Result<std::shared_ptr<MemberState>> shared_state(const ProviderContext& context,
                                                    const std::string& directory) const {
    const std::lock_guard lock(mutex_);
    std::erase_if(states_, [](const auto& entry) { return entry.second.expired(); });
    if (auto state = states_[directory].lock()) return state;
    auto opened = MemberState::open(*context.files, directory);
    if (opened) states_[directory] = *opened;
    return opened;
  }

  mutable std::mutex mutex_;  // guards states_
  mutable std::map<std::string, std::weak_ptr<MemberState>> states_;
};

}  // namespace

std::unique_ptr<ProviderFactory> make_in_memory_factory() {
  return std::make_unique<InMemoryFactory>();
}

}  // namespace rollcall
