#include "providers/consul/consul_announcer.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/codec/json_writer.h"
#include "core/codec/large_json.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/common/cancel.h"
#include "providers/common/credentials.h"
#include "providers/common/endpoint_errors.h"
#include "providers/common/http_client.h"
#include "providers/consul/consul_answer.h"
#include "providers/consul/limits.h"

namespace rollcall {
namespace {

using IdFrom = ConsulSettings::Id;

constexpr int kNotFound = 404;
constexpr std::string_view kDefaultNamespace = "default";  // Consul's, where none is named

std::string ms_text(Duration d) { return std::to_string(to_ms(d)) + "ms"; }

// Where ids are <node>/<service id>, an id is written so that its second part is the service's.
std::string service_id_of(const ConsulSettings& settings, const NodeId& id) {
  const std::size_t slash = id.str().find('/');
  const bool whole = settings.id != IdFrom::NodeAndService || slash == std::string::npos;
  return whole ? id.str() : id.str().substr(slash + 1);
}

// Not the service's name: an agent has one service of an id, whatever it is called, so announcers
// for two names of the service share their registration.
std::string place_of(const ConsulSettings& settings, const std::string& service_id) {
  const std::string& ns = settings.name_space;
  return (ns.empty() ? std::string(kDefaultNamespace) : ns) + "/" + service_id;
}

class ConsulAnnouncer : public Announcer {
 public:
  ConsulAnnouncer(std::shared_ptr<const ConsulSettings> settings, const AuthRef& auth,
                  const Announcement& what, const Clock& clock)
      : settings_(std::move(settings)),
        what_(what),
        service_id_(service_id_of(*settings_, what.node.id)),
        name_(place_of(*settings_, service_id_)),
        clock_(clock),
        credentials_(auth, clock) {}

  const std::string& registration() const override { return name_; }

  Result<Announced> register_node(MonoTime deadline) override {
    if (home_) return register_here(deadline);
    const std::size_t first = endpoint_;
    if (find_home(deadline)) {
      auto announced = register_here(deadline);
      if (announced || home_) return announced;
      go_to(first);  // the id names another agent than the one that had the node
    }
    // Nothing is registered anywhere: any endpoint will do. Each has an equal share of the time.
    EndpointErrors errors;
    const std::size_t all = settings_->endpoints.size();
    for (std::size_t left = all; left > 0; --left) {
      const MonoTime now = clock_.now();
      auto announced = register_here(now + (deadline - now) / static_cast<std::int64_t>(left));
      if (announced || home_ || all == 1) return announced;
      errors.add(announced.error());
      const ErrorCode code = announced.error().code;
      if (code == ErrorCode::DuplicateName || !may_differ_elsewhere(code)) return announced;
      // Whether the id names the next agent would show by registering there, and everybody would
      // see it come and go with every attempt.
      if (!names_this_agent()) return announced;
      go_to((endpoint_ + 1) % all);
    }
    return fail(errors.code(), errors.detail());
  }

  Result<Standing> renew(MonoTime deadline) override {
    if (!home_) return Standing::NotKnown;
    auto answer = update_check(deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    return *answer ? Standing::Known : Standing::NotKnown;
  }

  Result<void> withdraw(MonoTime deadline) override {
    if (!home_) return {};
    auto answer = call("PUT", agent_path("service/deregister/", service_id_), "", deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    home_ = false;  // not there (any more) is as good
    return {};
  }

  void cancel() noexcept override { cancel_.cancel(); }

 private:
  // --- where the node is ---

  // An earlier announcer of this node (another token file, a restart) may have left it at any
  // endpoint, and only the agent there can renew it. One that does not answer is passed over: with
  // the time that is left, half of it at least, the node is registered elsewhere if it may be.
  bool find_home(MonoTime deadline) {
    const std::size_t all = settings_->endpoints.size();
    if (all == 1) return false;  // may_take() asks there
    const std::size_t first = endpoint_;
    const MonoTime begun = clock_.now();
    const MonoTime until = begun + (deadline - begun) / 2;
    for (std::size_t left = all; left > 0 && !home_; --left) {
      const MonoTime now = clock_.now();
      const auto there = entry(now + (until - now) / static_cast<std::int64_t>(left));
      home_ = there && *there && is_ours(**there);
      if (home_) break;
      endpoint_ = (endpoint_ + 1) % all;
      http_.reset();
    }
    if (endpoint_ != first) agent_node_.clear();
    return home_;
  }

  void go_to(std::size_t endpoint) {
    if (endpoint == endpoint_) return;
    endpoint_ = endpoint;
    agent_node_.clear();
    http_.reset();
  }

  // What the agent has under our service id.
  struct Entry {
    std::string service;
    std::string address;
    std::uint64_t port = 0;
  };

  Result<std::optional<Entry>> entry(MonoTime deadline) {
    auto known = call("GET", agent_path("service/", service_id_), "", deadline);
    if (!known) return tl::unexpected(std::move(known.error()));
    if (!*known) return std::optional<Entry>();
    auto document = LargeJson::parse(**known);
    if (!document) return tl::unexpected(std::move(document.error()));
    const JsonView service = document->root();
    return std::optional(Entry{std::string(service.get("Service").string().value_or("")),
                               std::string(service.get("Address").string().value_or("")),
                               service.get("Port").u64().value_or(0)});
  }

  // From an earlier life, or of the service's former name.
  bool is_ours(const Entry& entry) const {
    return entry.address == what_.node.host && entry.port == what_.node.port;
  }

  // --- one registration ---

  Result<Announced> register_here(MonoTime deadline) {
    if (auto meant = names_this_agent(); !meant) return tl::unexpected(std::move(meant.error()));
    if (auto free = may_take(deadline); !free) return tl::unexpected(std::move(free.error()));
    home_ = true;  // whatever becomes of the answer, it may be registered here
    auto body = registration_body();
    if (!body) return tl::unexpected(std::move(body.error()));
    std::string target = "/v1/agent/service/register?replace-existing-checks=true";
    if (!settings_->name_space.empty()) {
      target += "&ns=" + percent_encoded(settings_->name_space);
    }
    auto registered = call("PUT", target, *body, deadline);
    if (!registered) return tl::unexpected(std::move(registered.error()));
    if (!*registered) return fail(ErrorCode::MalformedResponse, here() + "no such API");
    // A check that was there keeps its status.
    auto updated = update_check(deadline);
    if (!updated) return tl::unexpected(std::move(updated.error()));
    if (!*updated) {
      return fail(ErrorCode::BackendUnavailable, here() + "what was just registered is gone");
    }
    return listed(deadline);
  }

  // The registration replaces what is ours there, also under another service name.
  Result<void> may_take(MonoTime deadline) {
    auto known = entry(deadline);
    if (!known) return tl::unexpected(std::move(known.error()));
    if (!*known) return nowhere_else(deadline);
    const Entry& there = **known;
    if (is_ours(there)) return {};
    return duplicate("this agent has the service id " + service_id_ +
                     " already: " + printable(there.service, 64) + " at " +
                     printable(there.address, limits::kMaxHostBytes) + ":" +
                     std::to_string(there.port));
  }

  tl::unexpected<ProvisioningError> duplicate(const std::string& who) const {
    return fail(ErrorCode::DuplicateName,
                here() + who + "; deregister that one, or choose another announce.node_id");
  }

  // Where ids don't name the agent, two agents may have instances of one id.
  Result<void> nowhere_else(MonoTime deadline) {
    if (settings_->id == IdFrom::NodeAndService || settings_->id == IdFrom::Node) return {};
    std::string target =
        "/v1/health/service/" + percent_encoded(settings_->service) + "?near=_agent";
    if (!settings_->name_space.empty()) {
      target += "&ns=" + percent_encoded(settings_->name_space);
    }
    auto list = call("GET", target, "", deadline, /*index_too=*/true);
    if (!list) return tl::unexpected(std::move(list.error()));
    if (!*list) return {};
    auto document = LargeJson::parse(**list);
    LargeArray entries;
    if (!document || !document->root().array(entries)) {
      return fail(ErrorCode::MalformedResponse, here() + "no list of instances");
    }
    for (JsonView entry; entries.next(entry);) {
      const auto node = entry.get("Node").get("Node").string();
      if (!node || *node == agent_node_ || !has_our_id(entry.get("Service"))) continue;
      return duplicate("an instance on the agent of " + printable(*node, 128) + " has the id " +
                       printable(what_.node.id.str(), limits::kMaxNodeIdBytes));
    }
    return {};
  }

  bool has_our_id(const JsonView& service) const {
    const auto id = settings_->id == IdFrom::Meta
                        ? service.get("Meta").get(settings_->id_meta).string()
                        : service.get("ID").string();
    return id && *id == what_.node.id.str();
  }

  Result<std::string> registration_body() const {
    const ClusterNode& node = what_.node;
    std::map<std::string, std::string> meta = node.labels;
    if (!node.zone.empty()) meta["zone"] = node.zone;
    if (!node.incarnation.empty()) meta[std::string(kIncarnationKey)] = node.incarnation;
    if (settings_->id == IdFrom::Meta) meta[settings_->id_meta] = node.id.str();
    const Duration deregister = std::max<Duration>(what_.ttl, limits::kConsulDeregisterMin);
    JsonWriter writer;
    writer.begin_object()
        .field("ID", service_id_)
        .field("Name", settings_->service)
        .field("Address", node.host)
        .field("Port", node.port)
        .field("Meta", meta);
    writer.key("Tags").begin_array();
    if (!settings_->tag.empty()) writer.string(settings_->tag);
    writer.end_array();
    writer.key("Weights")
        .begin_object()
        .field("Passing", node.weight)
        .field("Warning", node.weight)
        .end_object();
    writer.key("Check")
        .begin_object()
        .field("CheckID", check_id())
        .field("Name", "kept alive by rollcalld")
        .field("TTL", ms_text(what_.ttl))
        .field("Status", "passing")
        .field("DeregisterCriticalServiceAfter", ms_text(deregister))
        .end_object()
        .end_object();
    return std::move(writer).finish();
  }

  // Under which id the provider's list has it: where that names the node, the agent is asked.
  Result<Announced> listed(MonoTime deadline) {
    if (settings_->id == IdFrom::Service || settings_->id == IdFrom::Meta) {
      return Announced{what_.ttl, what_.node.id};
    }
    std::string target =
        "/v1/agent/checks?filter=" + percent_encoded("CheckID==" + json_quoted_lossy(check_id()));
    if (!settings_->name_space.empty()) {
      target += "&ns=" + percent_encoded(settings_->name_space);
    }
    auto checks = call("GET", target, "", deadline);
    if (!checks) return tl::unexpected(std::move(checks.error()));
    auto document = LargeJson::parse(*checks ? **checks : std::string("{}"));
    if (!document) return tl::unexpected(std::move(document.error()));
    const auto node = document->root().get(check_id()).get("Node").string();
    if (!node || node->empty()) {
      return fail(ErrorCode::MalformedResponse, here() + "the agent does not say which node it is");
    }
    agent_node_ = std::string(*node);
    if (auto meant = names_this_agent(); !meant) {
      (void)withdraw(deadline);
      return tl::unexpected(std::move(meant.error()));
    }
    const bool by_node = settings_->id == IdFrom::Node;
    return Announced{what_.ttl, NodeId(by_node ? agent_node_ : agent_node_ + "/" + service_id_)};
  }

  // An id that was written out with a node in front is meant so. Which node an agent is shows after
  // the first registration.
  Result<void> names_this_agent() const {
    if (service_id_ == what_.node.id.str() || agent_node_.empty()) return {};
    const std::string id = agent_node_ + "/" + service_id_;
    if (id == what_.node.id.str()) return {};
    return fail(ErrorCode::InvalidConfig,
                here() + "with watch_params.id node/service this node is listed as " +
                    printable(id, limits::kMaxNodeIdBytes) +
                    ": announce.node_id must be that, or without a /");
  }

  // --- requests ---

  std::string check_id() const { return "service:" + service_id_; }
  std::string here() const { return settings_->endpoints[endpoint_].text + ": "; }

  std::string agent_path(std::string_view what, const std::string& id) const {
    std::string target = "/v1/agent/" + std::string(what) + percent_encoded(id);
    if (!settings_->name_space.empty()) target += "?ns=" + percent_encoded(settings_->name_space);
    return target;
  }

  // False: there is no such check.
  Result<bool> update_check(MonoTime deadline) {
    auto answer = call("PUT", agent_path("check/update/", check_id()),
                       R"({"Status":"passing","Output":"renewed by rollcalld"})", deadline);
    if (!answer) return tl::unexpected(std::move(answer.error()));
    return answer->has_value();
  }

  // The body of a 200; nothing for a 404. Everything else is an error, with the endpoint in front
  // and the token taken out. `index_too`: an answer of the catalogue, which may have been filtered.
  Result<std::optional<std::string>> call(std::string_view method, std::string target,
                                          const std::string& body, MonoTime deadline,
                                          bool index_too = false) {
    auto secrets = credentials_.get();
    if (!secrets) return tl::unexpected(explained(std::move(secrets.error()), nullptr));
    const Endpoint& endpoint = settings_->endpoints[endpoint_];
    if (!http_) http_.emplace(endpoint, settings_->tls_server_name, Io{clock_, cancel_});
    if (endpoint.scheme == Endpoint::Scheme::Https) {
      if (connected_with_ && !connected_with_->same_tls(**secrets)) http_->close();
      connected_with_ = **secrets;
    }
    HttpRequest request;
    request.method = std::string(method);
    request.target = std::move(target);
    request.body = body;
    request.answer_by = deadline;
    request.finish_by = deadline;
    if (!(*secrets)->token.empty()) request.headers = {{"X-Consul-Token", (*secrets)->token}};
    auto answer = http_->send(request, *secrets);
    if (!answer) return tl::unexpected(explained(std::move(answer.error()), *secrets));
    if (answer->response.status == kNotFound) return std::optional<std::string>();
    if (auto ok = judge_status(answer->response); !ok) {
      return tl::unexpected(explained(std::move(ok.error()), *secrets));
    }
    if (index_too) {
      if (auto believed = judge(answer->response, *settings_); !believed) {
        return tl::unexpected(explained(std::move(believed.error()), *secrets));
      }
    }
    return std::optional<std::string>(std::move(answer->response.body));
  }

  ProvisioningError explained(ProvisioningError error, const Secrets* secrets) {
    if (secrets != nullptr) error.message = without_token(std::move(error.message), secrets->token);
    error = credentials_.explained(std::move(error));
    error.message = here() + error.message;
    return error;
  }

  const std::shared_ptr<const ConsulSettings> settings_;
  const Announcement what_;
  const std::string service_id_;
  const std::string name_;
  const Clock& clock_;
  Cancel cancel_;
  Credentials credentials_;
  std::size_t endpoint_ = 0;
  bool home_ = false;  // something may be registered at this endpoint
  std::string agent_node_;
  std::optional<HttpClient> http_;
  std::optional<Secrets> connected_with_;  // what TLS was set up with; of an https endpoint
};

}  // namespace

std::unique_ptr<Announcer> make_consul_announcer(std::shared_ptr<const ConsulSettings> settings,
                                                 const AuthRef& auth, const Announcement& what,
                                                 const Clock& clock) {
  return std::make_unique<ConsulAnnouncer>(std::move(settings), auth, what, clock);
}

}  // namespace rollcall
