#include "tests/churn/churn.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>
#include <mutex>
#include <random>
#include <sstream>

#include "bridges/client/subscriber.h"

namespace rollcall::test {
namespace {

using Clock = std::chrono::steady_clock;

// One change in a hundred takes its member away, each at most once: that it left says which change
// that was. The next change of that member brings it back.
constexpr unsigned kGoneEvery = 100;
constexpr std::chrono::minutes kSettled{2};

// What was written and what of it was told. Any thread.
class Ledger final : public client::TopologyListener {
 public:
  explicit Ledger(std::size_t members) : open_(members), last_(members) {}

  // Before the write is sent: what it causes may come before its answer.
  void begin(const std::vector<MemberChange>& changes) {
    std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    for (const MemberChange& change : changes) {
      open_[change.member].push_back({change, now});
      last_[change.member] = change;
    }
    written_ += changes.size();
  }

  void on_topology(const client::TopologyChange& change) override {
    std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    for (const LeftMember& left : change.left) settle(index(left.id.str()), nullptr, now);
    for (const auto* members : {&change.joined, &change.changed}) {
      for (const Member& m : *members) settle(index(m.id().str()), &m, now);
    }
  }
  void on_trouble(const client::Trouble& trouble) override {
    std::lock_guard lock(mutex_);
    wrong_.push_back(std::string(client::to_string(trouble.kind)) + ": " + trouble.message);
  }

  bool settled() {
    std::lock_guard lock(mutex_);
    return std::all_of(open_.begin(), open_.end(), [](const auto& o) { return o.empty(); });
  }
  // From here on everything counts.
  void reset() {
    std::lock_guard lock(mutex_);
    written_ = seen_ = superseded_ = 0;
    lag_ms_.clear();
  }
  ChurnFigures figures(const client::TopologyView& view) {
    std::lock_guard lock(mutex_);
    ChurnFigures out;
    out.written = written_;
    out.seen = seen_;
    out.superseded = superseded_;
    for (const auto& o : open_) out.lost += o.size();
    out.lag_ms = lag_ms_;
    std::sort(out.lag_ms.begin(), out.lag_ms.end());
    out.wrong = wrong_;
    compare(view, out.wrong);
    return out;
  }

 private:
  struct Open {
    MemberChange change;
    Clock::time_point sent;
  };
  static std::size_t index(const std::string& id) { return std::stoul(id.substr(1)); }

  // The member is now as `m` says, or gone.
  void settle(std::size_t member, const Member* m, Clock::time_point now) {
    std::deque<Open>& open = open_[member];
    const std::uint64_t number = m == nullptr ? 0 : std::stoull(m->node->zone);
    const auto is_it = [&](const Open& o) {
      return m == nullptr ? !o.change.present : o.change.number == number;
    };
    const auto found = std::find_if(open.begin(), open.end(), is_it);
    if (found == open.end()) {
      wrong_.push_back(churn_id(member) + " was told as nobody wrote it, or twice");
      return;
    }
    superseded_ += static_cast<std::size_t>(found - open.begin());
    ++seen_;
    lag_ms_.push_back(std::chrono::duration<double, std::milli>(now - found->sent).count());
    open.erase(open.begin(), found + 1);
  }

  void compare(const client::TopologyView& view, std::vector<std::string>& wrong) const {
    std::size_t present = 0;
    for (std::size_t i = 0; i < last_.size(); ++i) {
      const Member* m = view.members.find(NodeId(churn_id(i)));
      present += last_[i].present ? 1 : 0;
      if ((m != nullptr) != last_[i].present) {
        wrong.push_back(churn_id(i) + (m == nullptr ? " is missing" : " is still there"));
      } else if (m != nullptr && m->node->zone != std::to_string(last_[i].number)) {
        wrong.push_back(churn_id(i) + " is not as it was written last");
      }
    }
    if (present != view.members.size()) wrong.push_back("there is somebody whom nobody wrote");
  }

  std::mutex mutex_;  // guards everything below
  std::vector<std::deque<Open>> open_;
  std::vector<MemberChange> last_;
  std::size_t written_ = 0;
  std::size_t seen_ = 0;
  std::size_t superseded_ = 0;
  std::vector<double> lag_ms_;
  std::vector<std::string> wrong_;
};

double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::stringstream text;
  text << file.rdbuf();
  std::istringstream fields(
      text.str().substr(std::min(text.str().rfind(')') + 1, text.str().size())));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// The changes of the next write: of one group, each member at most once.
class Changer {
 public:
  explicit Changer(const ChurnPlan& plan)
      : plan_(plan), has_gone_(plan.members, false), random_(plan.seed) {}

  std::vector<MemberChange> fill(std::size_t group) {
    std::vector<MemberChange> changes;
    for (std::size_t i = 0; i < kChurnGroup; ++i) {
      changes.push_back({group * kChurnGroup + i, ++number_, true});
    }
    return changes;
  }
  std::vector<MemberChange> next(std::size_t count) {
    const std::size_t group = random_() % (plan_.members / kChurnGroup);
    const std::size_t first = random_() % kChurnGroup;
    std::vector<MemberChange> changes;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t member = group * kChurnGroup + (first + i) % kChurnGroup;
      const bool goes = !has_gone_[member] && random_() % kGoneEvery == 0;
      if (goes) has_gone_[member] = true;
      changes.push_back({member, ++number_, !goes});
    }
    return changes;
  }

 private:
  const ChurnPlan& plan_;
  std::vector<bool> has_gone_;
  std::mt19937_64 random_;
  std::uint64_t number_ = 0;
};

Outcome<void> write_all(ChurnSource& source, const ChurnPlan& plan, Changer& changer,
                        Ledger& ledger) {
  for (std::size_t done = 0; done < plan.changes;) {
    const auto changes = changer.next(std::min({plan.batch, kChurnGroup, plan.changes - done}));
    if (plan.pace) plan.pace(done);
    ledger.begin(changes);
    if (auto written = source.write(changes); !written) return written;
    done += changes.size();
  }
  return {};
}

}  // namespace

std::string churn_id(std::size_t member) { return "m" + std::to_string(member); }

std::string churn_host(std::size_t member) {
  return "10." + std::to_string(member / 65536) + "." + std::to_string(member / 256 % 256) + "." +
         std::to_string(member % 256);
}

Outcome<ChurnFigures> run_churn(ChurnSource& source, DaemonProcess& daemon, const ChurnPlan& plan) {
  Changer changer(plan);
  Ledger ledger(plan.members);
  for (std::size_t group = 0; group < plan.members / kChurnGroup; ++group) {
    const auto changes = changer.fill(group);
    ledger.begin(changes);
    if (auto written = source.write(changes); !written) return tl::unexpected(written.error());
  }
  if (const auto registered = daemon.admin().register_provider(source.descriptor()); !registered) {
    return tl::unexpected("not registered: " + registered.error().message);
  }
  client::SubscriberOptions options;
  options.channel.address = daemon.address();
  options.consumer_id = "churn";
  options.seed = plan.seed;
  auto subscriber = client::Subscriber::start(options, ledger);
  if (!subscriber) return tl::unexpected(subscriber.error().message);
  if (!eventually(kSettled, [&] { return ledger.settled(); })) {
    return tl::unexpected("the members never came: " + daemon.output());
  }
  ledger.reset();

  const double cpu_before = cpu_seconds(daemon.process().pid());
  const auto began = Clock::now();
  const auto written = write_all(source, plan, changer, ledger);
  const std::chrono::duration<double> took = Clock::now() - began;
  if (!written) return tl::unexpected(written.error());
  const double cpu = cpu_seconds(daemon.process().pid()) - cpu_before;
  eventually(kSettled, [&] { return ledger.settled(); });
  (*subscriber)->stop();
  ChurnFigures figures = ledger.figures((*subscriber)->view());
  figures.seconds = took.count();
  figures.daemon_cpu_seconds = cpu;
  return figures;
}

}  // namespace rollcall::test
