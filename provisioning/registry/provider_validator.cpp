#include "provisioning/registry/provider_validator.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>

#include "core/limits.h"

namespace rollcall {
namespace {

// The kinds of SPEC 1: what an operator may have meant although this build lacks it.
std::string known_kinds(const ProviderCatalog& catalog) {
  std::string names;
  for (const ProviderFactory* factory : catalog.all()) {
    if (!names.empty()) names += ", ";
    names += factory->info().kind;
  }
  return names.empty() ? "a kind that is built in (there is none)" : "one of: " + names;
}

// What one question and its asker share. It belongs to both, so that a provider that ignores its
// deadline may be left behind.
struct Question {
  std::mutex mutex;  // guards what follows
  std::condition_variable answered;
  std::optional<Result<Capabilities>> answer;
  Duration took{};
  bool left_behind = false;  // nobody waits any more, and nothing but this may be touched
};

Result<Capabilities> ask(const ProviderFactory& factory, const ProviderDescriptor& d,
                         const ProviderContext& context, MonoTime deadline) {
  try {
    auto provider = factory.create(d, context);
    if (!provider) return tl::unexpected(std::move(provider.error()));
    auto reached = (*provider)->check_connectivity(deadline);
    if (!reached || !reached->watch) return reached;
    const Capabilities inherent = (*provider)->capabilities();
    return inherent.watch ? std::move(*reached) : inherent;
  } catch (const std::exception& e) {
    return fail(ErrorCode::BackendUnavailable, std::string("the check threw: ") + e.what());
  } catch (...) {
    return fail(ErrorCode::BackendUnavailable, "the check threw something unknown");
  }
}

}  // namespace

ProviderValidator::ProviderValidator(const ProviderCatalog& catalog, ProviderContext context,
                                     Duration connectivity_deadline, Duration grace)
    : catalog_(catalog),
      context_(std::move(context)),
      connectivity_deadline_(connectivity_deadline),
      grace_(grace),
      under_way_(std::make_shared<std::atomic<std::size_t>>(0)),
      left_behind_(std::make_shared<std::atomic<std::size_t>>(0)) {}

std::vector<Problem> ProviderValidator::check(const ProviderDescriptor& d,
                                              std::string_view field) const {
  std::vector<Problem> problems = validate_descriptor(d, field);
  const ProviderFactory* factory = catalog_.find(d.kind);
  if (factory == nullptr) {
    const std::string path = field.empty() ? "kind" : std::string(field) + ".kind";
    std::erase_if(problems, [&](const Problem& problem) { return problem.field == path; });
    problems.push_back({path, d.kind, known_kinds(catalog_)});
    return problems;
  }
  // Its kind would name each of a million settings that it does not know.
  if (d.watch_params.size() > limits::kMaxWatchParams) return problems;
  for (Problem& problem : factory->validate(d, field)) {
    bool known = false;
    for (const Problem& other : problems) known = known || other.field == problem.field;
    if (!known) problems.push_back(std::move(problem));
  }
  return problems;
}

std::vector<Problem> ProviderValidator::check_all(const std::vector<ProviderDescriptor>& set,
                                                  std::string_view field) const {
  std::vector<Problem> problems;
  std::unordered_map<ProviderId, std::size_t> seen;
  for (std::size_t i = 0; i < set.size(); ++i) {
    const std::string path = std::string(field) + "[" + std::to_string(i) + "]";
    for (Problem& problem : check(set[i], path)) problems.push_back(std::move(problem));
    const auto [first, added] = seen.emplace(set[i].id, i);
    if (!added) {
      problems.push_back({path + ".id", set[i].id.str(),
                          "an id of its own (also that of " + std::string(field) + "[" +
                              std::to_string(first->second) + "])"});
    }
  }
  if (set.size() > limits::kMaxProviders) {
    problems.push_back({std::string(field), std::to_string(set.size()) + " providers",
                        "at most " + std::to_string(limits::kMaxProviders)});
  }
  return problems;
}

bool ProviderValidator::is_external(const ProviderDescriptor& d) const {
  const ProviderFactory* factory = catalog_.find(d.kind);
  return factory != nullptr && factory->info().external;
}

std::vector<Result<Capabilities>> ProviderValidator::check_connectivity(
    const std::vector<ProviderDescriptor>& set) const {
  // Who keeps to what it was told always gets to give its own answer; real time bounds the others.
  const MonoTime deadline = context_.clock->now() + connectivity_deadline_ - grace_;
  const auto give_up = std::chrono::steady_clock::now() + connectivity_deadline_;
  std::vector<std::shared_ptr<Question>> questions;
  for (const ProviderDescriptor& d : set) {
    auto question = std::make_shared<Question>();
    questions.push_back(question);
    const ProviderFactory* factory = catalog_.find(d.kind);
    if (factory == nullptr) {
      question->answer = fail(ErrorCode::InvalidConfig, "unknown kind " + d.kind);
      continue;
    }
    if (*left_behind_ >= kMaxAbandonedChecks) {
      question->answer = fail(ErrorCode::LimitExceeded,
                              "too many earlier checks have not come back; restart rollcalld");
      continue;
    }
    const auto answer_it = [question, factory, d, context = context_, deadline,
                            left_behind = left_behind_] {
      const MonoTime began = context.clock->now();
      auto answer = ask(*factory, d, context, deadline);
      const Duration took = context.clock->now() - began;
      const std::lock_guard lock(question->mutex);
      if (question->left_behind) {
        --*left_behind;
        return;
      }
      question->took = took;
      question->answer = std::move(answer);
      question->answered.notify_all();
    };
    ++*under_way_;
    try {
      std::thread([answer_it, under_way = under_way_] {
        answer_it();
        --*under_way;
      }).detach();  // bounded by its deadline; who ignores that is left behind with what it holds
    } catch (const std::system_error& e) {
      --*under_way_;
      question->answer =
          fail(ErrorCode::BackendUnavailable, std::string("no thread for the check: ") + e.what());
    }
  }
  std::vector<Result<Capabilities>> results;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    Duration took = connectivity_deadline_;
    {
      std::unique_lock lock(questions[i]->mutex);
      std::optional<Result<Capabilities>>& answer = questions[i]->answer;
      const bool answered =
          questions[i]->answered.wait_until(lock, give_up, [&] { return answer.has_value(); });
      if (answered) took = questions[i]->took;
      questions[i]->left_behind = !answered;
      if (!answered) ++*left_behind_;
      results.push_back(answered ? std::move(*answer)
                                 : fail(ErrorCode::Timeout, "the provider did not answer in time"));
      answer.reset();
    }
    if (!on_checked_) continue;
    const auto& result = results.back();
    on_checked_(set[i].id, result ? std::nullopt : std::optional(result.error().code), took);
  }
  return results;
}

}  // namespace rollcall
