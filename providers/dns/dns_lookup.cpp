#include "providers/dns/dns_lookup.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "core/codec/object_reader.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/dns/limits.h"

namespace rollcall {
namespace {

constexpr std::uint32_t kNoTtl = std::numeric_limits<std::uint32_t>::max();

// What one name has of one type.
struct Found {
  std::vector<DnsRecord> records;  // empty: there are none, for sure
  bool exists = true;              // false: NXDOMAIN
  std::uint32_t ttl = kNoTtl;
};

std::string shown(const DnsQuestion& question) {
  return std::string(to_string(question.type)) + " of " + printable(question.name, 128);
}

tl::unexpected<ProvisioningError> no_answer(ErrorCode code, const DnsQuestion& question,
                                            std::string_view why) {
  return fail(code, shown(question) + ": " + std::string(why));
}

Result<void> judge_code(const DnsMessage& reply, const DnsQuestion& question) {
  if (reply.truncated) {
    return no_answer(ErrorCode::LimitExceeded, question, "the answer is cut, over TCP too");
  }
  switch (static_cast<DnsCode>(reply.code)) {
    case DnsCode::NoError:
    case DnsCode::NxDomain:
      return {};
    case DnsCode::Refused:
      return no_answer(ErrorCode::PermissionDenied, question,
                       "REFUSED: the server does not serve this name, or not to us");
    case DnsCode::ServFail:
      return no_answer(ErrorCode::BackendUnavailable, question, "SERVFAIL");
  }
  return no_answer(ErrorCode::BackendUnavailable, question,
                   "the server answers with code " + std::to_string(reply.code));
}

const DnsRecord* find(const std::vector<DnsRecord>& records, const std::string& name,
                      DnsType type) {
  const auto found = std::find_if(records.begin(), records.end(), [&](const DnsRecord& r) {
    return r.type == type && r.name == name;
  });
  return found == records.end() ? nullptr : &*found;
}

const DnsRecord* find(const std::vector<DnsRecord>& records, DnsType type) {
  const auto found = std::find_if(records.begin(), records.end(),
                                  [&](const DnsRecord& r) { return r.type == type; });
  return found == records.end() ? nullptr : &*found;
}

// What is found so far about a question, through aliases and further replies.
struct Search {
  DnsQuestion question;  // as it was put
  std::string name;      // where the aliases lead
  int aliases = 0;
  Found found;
  bool done = false;
};

// An answer without records: believed, doubted, or to be asked on at the alias's end.
Result<void> judge_negative(const DnsMessage& reply, bool by_alias, Search& search) {
  const DnsRecord* soa = find(reply.authority, DnsType::Soa);
  const bool nxdomain = static_cast<DnsCode>(reply.code) == DnsCode::NxDomain;
  const std::uint32_t ttl = soa == nullptr ? 0 : std::min(soa->ttl, soa->minimum);
  const bool authority = reply.authoritative || reply.recursion;
  if (!nxdomain && soa == nullptr) {
    if (by_alias) return {};  // the alias leads out of what this server serves: ask on there
    if (!reply.authoritative && find(reply.authority, DnsType::Ns) != nullptr) {
      return no_answer(ErrorCode::BackendUnavailable, search.question,
                       "a referral: the server neither serves this name nor asks others");
    }
  }
  if (soa == nullptr && !authority) {
    return no_answer(ErrorCode::BackendUnavailable, search.question,
                     "an empty answer of a server that neither serves this name nor asks others");
  }
  search.found.exists = !nxdomain;
  search.found.ttl = std::min(search.found.ttl, ttl);
  search.done = true;
  return {};
}

// Takes what a reply says about the search.
Result<void> take(const DnsMessage& reply, Search& search) {
  const DnsQuestion& question = search.question;
  if (auto ok = judge_code(reply, question); !ok) return ok;
  bool by_alias = false;
  while (const DnsRecord* alias = find(reply.answer, search.name, DnsType::Cname)) {
    if (++search.aliases > limits::kDnsAliases) {
      return no_answer(ErrorCode::MalformedResponse, question, "more than 8 aliases in a row");
    }
    search.found.ttl = std::min(search.found.ttl, alias->ttl);
    search.name = alias->target;
    by_alias = true;
  }
  for (const DnsRecord& record : reply.answer) {
    if (record.type != question.type || record.name != search.name) continue;
    search.found.ttl = std::min(search.found.ttl, record.ttl);
    search.found.records.push_back(record);
  }
  if (search.found.records.empty()) return judge_negative(reply, by_alias, search);
  if (static_cast<DnsCode>(reply.code) == DnsCode::NxDomain) {
    return no_answer(ErrorCode::MalformedResponse, question, "NXDOMAIN, and records all the same");
  }
  search.done = true;
  return {};
}

// The answers to all questions, aliases followed.
Result<std::vector<Found>> find_all(const DnsAsk& ask, const std::vector<DnsQuestion>& questions) {
  std::vector<Search> searches;
  for (const DnsQuestion& question : questions) {
    searches.push_back({question, question.name, 0, {}, false});
  }
  // Every turn but the last follows an alias of each search that is open.
  for (int turn = 0; turn <= limits::kDnsAliases; ++turn) {
    std::vector<DnsQuestion> open;
    std::vector<Search*> of;
    for (Search& search : searches) {
      if (search.done) continue;
      open.push_back({search.name, search.question.type});
      of.push_back(&search);
    }
    if (open.empty()) break;
    auto replies = ask(open);
    if (!replies) return tl::unexpected(std::move(replies.error()));
    for (std::size_t i = 0; i < of.size(); ++i) {
      if (auto ok = take((*replies)[i], *of[i]); !ok) return tl::unexpected(std::move(ok.error()));
    }
  }
  std::vector<Found> found;
  for (Search& search : searches) {
    if (!search.done) {
      return no_answer(ErrorCode::MalformedResponse, search.question, "its aliases never end");
    }
    found.push_back(std::move(search.found));
  }
  return found;
}

// By number: 9.0.0.1 before 10.0.0.1.
bool less_address(const std::string& a, const std::string& b) {
  const int family = a.find(':') == std::string::npos ? AF_INET : AF_INET6;
  std::array<unsigned char, sizeof(in6_addr)> left{};
  std::array<unsigned char, sizeof(in6_addr)> right{};
  ::inet_pton(family, a.c_str(), left.data());
  ::inet_pton(family, b.c_str(), right.data());
  return left < right;
}

std::string with_port(const std::string& host, std::uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<DnsMembers> finish(std::vector<ClusterNode> members, std::uint32_t ttl) {
  ProblemList problems;
  std::unordered_set<std::string_view> ids;
  for (const ClusterNode& member : members) {
    problems.add_all(validate_node(member, member.id.str()));
    if (!ids.insert(member.id.str()).second) {
      return fail(ErrorCode::MalformedResponse, "two records make the id " + member.id.str());
    }
  }
  if (!problems.empty()) return problems.fail(ErrorCode::MalformedResponse, "records refused");
  return DnsMembers{std::move(members), std::chrono::seconds(ttl == kNoTtl ? 0 : ttl)};
}

// --- A and AAAA ---

Result<DnsMembers> look_up_addresses(const DnsSettings& settings, const DnsAsk& ask) {
  std::vector<DnsQuestion> questions;
  if (settings.kind != DnsSettings::Kind::Aaaa) questions.push_back({settings.name, DnsType::A});
  if (settings.kind != DnsSettings::Kind::A) questions.push_back({settings.name, DnsType::Aaaa});
  const auto found = find_all(ask, questions);
  if (!found) return tl::unexpected(found.error());
  std::uint32_t ttl = kNoTtl;
  bool agreed = true;
  std::vector<ClusterNode> members;
  for (const Found& one : *found) {
    ttl = std::min(ttl, one.ttl);
    agreed = agreed && one.exists == found->front().exists;
    for (const DnsRecord& record : one.records) {
      ClusterNode node;
      node.id = NodeId(with_port(record.address, settings.port));
      node.host = record.address;
      node.port = settings.port;
      members.push_back(std::move(node));
    }
  }
  if (!agreed) {
    return fail(ErrorCode::BackendUnavailable,
                "A and AAAA of " + printable(settings.name, 128) +
                    " contradict each other: one says that there is no such name");
  }
  return finish(std::move(members), ttl);
}

// --- SRV ---

// The address of each target: the least, IPv4 first.
class Targets {
 public:
  // `reply`: what the SRV question was answered with, whose additional section may know some.
  Result<void> resolve(const std::set<std::string>& names, const DnsMessage& reply,
                       const DnsAsk& ask) {
    for (const DnsType type : {DnsType::A, DnsType::Aaaa}) {
      std::vector<DnsQuestion> open;
      for (const std::string& name : names) {
        if (addresses_.contains(name)) continue;
        std::vector<DnsRecord> known;
        for (const DnsRecord& record : reply.additional) {
          if (record.type == type && record.name == name) known.push_back(record);
        }
        if (!add(name, known)) open.push_back({name, type});
      }
      if (open.empty()) continue;
      auto found = find_all(ask, open);
      if (!found) return tl::unexpected(std::move(found.error()));
      for (std::size_t i = 0; i < open.size(); ++i) {
        ttl_ = std::min(ttl_, (*found)[i].ttl);
        add(open[i].name, (*found)[i].records);
      }
    }
    for (const std::string& name : names) {
      if (addresses_.contains(name)) continue;
      return fail(ErrorCode::BackendUnavailable,
                  "the SRV target " + printable(name, 128) +
                      " has no address: without it the answer would be a part of the cluster");
    }
    return {};
  }

  const std::string& address(const std::string& name) const { return addresses_.at(name); }
  std::uint32_t ttl() const { return ttl_; }

 private:
  // False: there is none among them.
  bool add(const std::string& name, const std::vector<DnsRecord>& records) {
    if (records.empty()) return false;
    const auto least = std::min_element(
        records.begin(), records.end(),
        [](const DnsRecord& a, const DnsRecord& b) { return less_address(a.address, b.address); });
    for (const DnsRecord& record : records) ttl_ = std::min(ttl_, record.ttl);
    addresses_.emplace(name, least->address);
    return true;
  }

  std::map<std::string, std::string> addresses_;
  std::uint32_t ttl_ = kNoTtl;
};

// Those that are offered, of the priorities that are wanted.
std::vector<DnsRecord> chosen(const DnsSettings& settings, std::vector<DnsRecord> records) {
  std::erase_if(records, [](const DnsRecord& r) { return r.target.empty(); });
  std::uint16_t lowest = std::numeric_limits<std::uint16_t>::max();
  for (const DnsRecord& record : records) lowest = std::min(lowest, record.priority);
  if (!settings.all_priorities) {
    std::erase_if(records, [&](const DnsRecord& r) { return r.priority != lowest; });
  }
  return records;
}

ClusterNode member_of(const DnsSettings& settings, const DnsRecord& record,
                      const std::string& address) {
  ClusterNode node;
  const bool by_name = settings.id == DnsSettings::Id::Name;
  node.id = NodeId(with_port(by_name ? record.target : address, record.port));
  node.host = address;
  node.port = record.port;
  node.weight = std::max<std::uint32_t>(record.weight, 1);
  if (settings.all_priorities) node.labels["dns-priority"] = std::to_string(record.priority);
  return node;
}

Result<DnsMembers> look_up_srv(const DnsSettings& settings, const DnsAsk& ask) {
  // The last reply is kept: its additional section may spare the questions about the targets.
  DnsMessage last;
  const DnsAsk ask_and_keep = [&](const std::vector<DnsQuestion>& questions) {
    auto replies = ask(questions);
    if (replies && !replies->empty()) last = replies->back();
    return replies;
  };
  auto found = find_all(ask_and_keep, {{settings.name, DnsType::Srv}});
  if (!found) return tl::unexpected(std::move(found.error()));
  Found& srv = found->front();
  const std::vector<DnsRecord> records = chosen(settings, std::move(srv.records));
  std::set<std::string> names;
  for (const DnsRecord& record : records) names.insert(record.target);
  if (names.size() > limits::kDnsTargets) {
    return fail(ErrorCode::LimitExceeded,
                "more than " + std::to_string(limits::kDnsTargets) + " SRV targets");
  }
  Targets targets;
  if (auto ok = targets.resolve(names, last, ask); !ok) {
    return tl::unexpected(std::move(ok.error()));
  }
  std::vector<ClusterNode> members;
  for (const DnsRecord& record : records) {
    members.push_back(member_of(settings, record, targets.address(record.target)));
  }
  return finish(std::move(members), std::min(srv.ttl, targets.ttl()));
}

}  // namespace

Result<DnsMembers> look_up(const DnsSettings& settings, const DnsAsk& ask) {
  return settings.kind == DnsSettings::Kind::Srv ? look_up_srv(settings, ask)
                                                 : look_up_addresses(settings, ask);
}

}  // namespace rollcall
