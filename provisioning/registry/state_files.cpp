#include "provisioning/registry/state_files.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/codec/canonical.h"
#include "core/codec/descriptor_codec.h"
#include "core/codec/node_codec.h"
#include "core/codec/object_reader.h"
#include "core/limits.h"
#include "core/recovery.h"
#include "core/text.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/hex.h"
#include "provisioning/registry/store_errors.h"

namespace rollcall {
namespace {

constexpr std::string_view kBootFormat = "rollcall.boot";
constexpr std::string_view kBlocksFormat = "rollcall.blocks";
constexpr std::string_view kHoldsFormat = "rollcall.holds";
constexpr std::string_view kObservedFormat = "rollcall.observed";
constexpr std::string_view kTopologyFormat = "rollcall.topology";
constexpr std::size_t kMaxBootFileBytes = 64 * 1024;
// Where counting goes on when nobody knows how far it had come: no sidecar boots that often.
constexpr std::uint64_t kBootAfterLoss = kMaxBoot / 2;
// What a sidecar has only after its first boot (members/: the in-memory kind's).
constexpr std::array<std::string_view, 7> kLaterState = {
    kProvidersFile, kProvidersPrevious, kBlocksFile, kHoldsFile,
    kObservedFile,  kTopologyFile,      "members"};

// A record's own reader; what it does not take is kept as unknown.
// A text that a broken file holds, in a message.
std::string shown(const std::string& text) { return printable(text, 128); }

std::optional<std::string> first_problem(const ProblemList& problems) {
  if (problems.empty()) return std::nullopt;
  const Problem& problem = problems.kept().front();
  return "field " + problem.field + ": expected " + problem.expected;
}

JsonValue::Object unknown_of_reader(const ObjectReader& reader) {
  JsonValue::Object unknown;
  for (const JsonMember* member : reader.unknown()) unknown.push_back(*member);
  return unknown;
}

std::optional<std::string> take_text(const JsonValue::Object& fields, std::string_view key) {
  for (const JsonMember& member : fields) {
    const std::string* text = member.key == key ? member.value.as_string() : nullptr;
    if (text != nullptr) return *text;
  }
  return std::nullopt;
}

std::optional<std::int64_t> take_number(const JsonValue::Object& fields, std::string_view key) {
  for (const JsonMember& member : fields) {
    if (member.key == key) return member.value.as_i64();
  }
  return std::nullopt;
}

std::string record_key(const ObservedKey& key) {
  return key.provider.str() + "/" + to_hex(key.backend);
}

// A command that writes a counter; the next boot is one higher.
std::string set_boot_command(const std::string& directory, std::uint64_t boot) {
  SealedWriter file(kBootFormat);
  file.record([&](JsonWriter& fields) { fields.field("boot", boot); });
  const auto text = std::move(file).finish([](JsonWriter&) {});
  std::string command = "printf '%s\\n'";
  for (std::string_view rest = text ? *text : std::string_view(); !rest.empty();) {
    const std::size_t end = rest.find('\n');
    command += " " + shell_quoted(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return command + " > " + shell_quoted(store_path(directory, kBootFile));
}

// The lookup of a record's unknown fields; empty for most.
const JsonValue::Object& found_in(const std::map<std::string, JsonValue::Object>& records,
                                  const std::string& key) {
  static const JsonValue::Object kNone;
  const auto found = records.find(key);
  return found == records.end() ? kNone : found->second;
}

}  // namespace

std::uint64_t backend_digest(const ProviderDescriptor& d) {
  // Everything that same_backend() compares, and nothing else.
  ProviderDescriptor backend = d;
  backend.priority = 0;
  backend.standby = Standby::Hot;
  backend.enabled = true;
  backend.disabled_reason.clear();
  backend.origin = Origin::Api;
  const auto text = descriptor_to_json(backend, DescriptorForm::Stored);
  return xxh64(text ? *text : d.id.str());
}

StateFiles::StateFiles(FileSystem& files, std::string directory, std::size_t max_topology_bytes)
    : files_(files), directory_(std::move(directory)), max_topology_bytes_(max_topology_bytes) {}

std::size_t StateFiles::max_bytes_of(std::string_view name) const {
  if (name == kTopologyFile) return max_topology_bytes_;
  return name == kBootFile || name == kBootCopy ? kMaxBootFileBytes : limits::kMaxStateFileBytes;
}

Result<bool> StateFiles::load(std::string_view name, std::string_view format,
                              std::size_t max_records, const RecordReader& on_record,
                              SealedFields& fields) {
  const std::string path = store_path(directory_, name);
  const std::string recovery = name == kBootFile   ? boot_recovery()
                               : name == kBootCopy ? ""
                                                   : set_aside_command(directory_, name);
  bool absent = false;
  auto text = read_state(files_, path, max_bytes_of(name), recovery, absent);
  if (!text) return tl::unexpected(std::move(text.error()));
  if (absent) return false;
  auto read = read_sealed(*text, format, max_records, on_record);
  if (!read) return tl::unexpected(corrupted(path, read.error(), recovery));
  fields = std::move(*read);
  return true;
}

Saved StateFiles::store(std::string_view name, Result<std::string> text) {
  if (!text) return tl::unexpected(SaveError{std::move(text.error()), false});
  if (text->size() > max_bytes_of(name)) {
    auto too_large =
        fail(ErrorCode::LimitExceeded, store_path(directory_, name) + " would have " +
                                           std::to_string(text->size()) + " bytes, at most " +
                                           std::to_string(max_bytes_of(name)) + " can be read");
    return tl::unexpected(SaveError{std::move(too_large.value()), false});
  }
  auto written = write_atomically(files_, directory_, std::string(name), *text);
  if (written) return {};
  return tl::unexpected(SaveError{std::move(written.error().error), written.error().unknown});
}

void StateFiles::remember(std::string_view name, Unknown unknown) {
  const std::lock_guard lock(mutex_);
  unknown_[std::string(name)] = std::move(unknown);
}

StateFiles::Unknown StateFiles::unknown_of(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = unknown_.find(name);
  return found == unknown_.end() ? Unknown{} : found->second;
}

// --- boot ---

Result<std::optional<std::uint64_t>> StateFiles::read_boot(std::string_view name) {
  std::uint64_t boot = 0;
  Unknown unknown;
  std::size_t records = 0;
  auto there = load(
      name, kBootFormat, 1,
      [&](const JsonValue& record) {
        ProblemList problems;
        ObjectReader reader(record, "", problems);
        reader.ignore("checksum").required("boot", boot, {1, kMaxBoot});
        unknown.records["boot"] = unknown_of_reader(reader);
        ++records;
        return first_problem(problems);
      },
      unknown.file);
  if (!there) return tl::unexpected(std::move(there.error()));
  if (!*there) return std::optional<std::uint64_t>();
  if (records != 1) {
    return tl::unexpected(
        corrupted(store_path(directory_, name), "holds no counter", boot_recovery()));
  }
  if (name == kBootFile) remember(kBootFile, std::move(unknown));
  return std::optional<std::uint64_t>(boot);
}

// Only told of the counter itself: the copy is looked at to say whether it can stand in.
std::string StateFiles::boot_recovery() {
  auto copy = files_.read(store_path(directory_, kBootCopy), max_bytes_of(kBootCopy));
  if (copy && read_sealed(*copy, kBootFormat, 1, [](const JsonValue&) { return std::nullopt; })) {
    return copy_command(directory_, kBootCopy, kBootFile);
  }
  return set_aside_command(directory_, kBootFile) + "; " +
         set_aside_command(directory_, kBootCopy) + "; " +
         set_boot_command(directory_, kBootAfterLoss) +
         "  # goes on in a new epoch far above, and consumers resynchronise";
}

Result<void> StateFiles::check_first_boot() {
  auto names = files_.list(directory_);
  if (!names) return tl::unexpected(std::move(names.error()));
  const auto there = [&](std::string_view name) {
    return std::find(names->begin(), names->end(), name) != names->end();
  };
  const std::string path = store_path(directory_, kBootFile);
  if (there(kBootCopy)) {
    return tl::unexpected(corrupted(path, "is missing, but " + std::string(kBootCopy) + " is there",
                                    boot_recovery()));
  }
  const auto* later = std::find_if(kLaterState.begin(), kLaterState.end(), there);
  if (later == kLaterState.end()) return {};
  return tl::unexpected(
      corrupted(path,
                "is missing, and so is " + std::string(kBootCopy) + ", but " + std::string(*later) +
                    " is there: sequence numbers would repeat",
                set_boot_command(directory_, kBootAfterLoss) +
                    "  # or restore both from a backup; goes on in a new epoch far above"));
}

Result<std::uint64_t> StateFiles::next_boot() {
  auto last = read_boot(kBootFile);
  if (!last) return tl::unexpected(std::move(last.error()));
  if (!*last) {
    if (auto first = check_first_boot(); !first) return tl::unexpected(std::move(first.error()));
  }
  const std::uint64_t boot = last->value_or(0) + 1;
  if (boot > kMaxBoot) {
    return tl::unexpected(corrupted(
        store_path(directory_, kBootFile), "has reached the last boot number that fits into seq_no",
        set_boot_command(directory_, 1) + "  # the numbering starts again, in a new epoch"));
  }
  const Unknown unknown = unknown_of(kBootFile);
  SealedWriter file(kBootFormat, unknown.file.header);
  file.record([&](JsonWriter& fields) {
    fields.field("boot", boot);
    write_fields(found_in(unknown.records, "boot"), fields);
  });
  auto text = std::move(file).finish(
      [&](JsonWriter& fields) { write_fields(unknown.file.trailer, fields); });
  if (auto stored = store(kBootFile, text); !stored) return tl::unexpected(stored.error());
  if (auto stored = store(kBootCopy, text); !stored) return tl::unexpected(stored.error());
  return boot;
}

// --- blocks ---

Result<BlockTable> StateFiles::load_blocks() {
  BlockTable blocks;
  Unknown unknown;
  auto there = load(
      kBlocksFile, kBlocksFormat, limits::kMaxBlocks,
      [&](const JsonValue& record) -> std::optional<std::string> {
        ProblemList problems;
        ObjectReader reader(record, "", problems);
        std::string node;
        std::int64_t expires = 0;
        Block block;
        reader.ignore("checksum")
            .required("node", node)
            .optional("incarnation", block.incarnation)
            .required("expires_at_unix_ms", expires)
            .optional("recovering", block.recovering);
        if (auto problem = first_problem(problems)) return problem;
        if (node.size() > limits::kMaxNodeIdBytes ||
            block.incarnation.size() > limits::kMaxIncarnationBytes) {
          return "a node's id or incarnation is too long";
        }
        unknown.records[node] = unknown_of_reader(reader);
        block.node = NodeId(node);
        block.expires_at = from_unix_ms(expires);
        const NodeId id = block.node;
        if (!blocks.emplace(id, std::move(block)).second) return "repeats the node " + shown(node);
        return std::nullopt;
      },
      unknown.file);
  if (!there) return tl::unexpected(std::move(there.error()));
  remember(kBlocksFile, std::move(unknown));
  return blocks;
}

Saved StateFiles::save_blocks(const BlockTable& blocks) {
  const Unknown unknown = unknown_of(kBlocksFile);
  SealedWriter file(kBlocksFormat, unknown.file.header);
  for (const auto& entry : blocks) {  // no structured binding: clang 14 can't capture one
    const Block& block = entry.second;
    const std::string& id = entry.first.str();
    file.record([&](JsonWriter& fields) {
      fields.field("node", id)
          .field("incarnation", block.incarnation)
          .field("expires_at_unix_ms", to_unix_ms(block.expires_at))
          .field("recovering", block.recovering);
      write_fields(found_in(unknown.records, id), fields);
    });
  }
  return store(kBlocksFile, std::move(file).finish([&](JsonWriter& fields) {
    write_fields(unknown.file.trailer, fields);
  }));
}

// --- holds ---

Result<std::vector<ProviderId>> StateFiles::load_holds() {
  std::vector<ProviderId> held;
  Unknown unknown;
  auto there = load(
      kHoldsFile, kHoldsFormat, limits::kMaxProviders,
      [&](const JsonValue& record) -> std::optional<std::string> {
        ProblemList problems;
        ObjectReader reader(record, "", problems);
        std::string provider;
        reader.ignore("checksum").required("provider", provider);
        if (auto problem = first_problem(problems)) return problem;
        if (!unknown.records.emplace(provider, unknown_of_reader(reader)).second) {
          return "repeats the provider " + shown(provider);
        }
        held.emplace_back(std::move(provider));
        return std::nullopt;
      },
      unknown.file);
  if (!there) return tl::unexpected(std::move(there.error()));
  remember(kHoldsFile, std::move(unknown));
  return held;
}

Saved StateFiles::save_holds(const std::vector<ProviderId>& held) {
  const Unknown unknown = unknown_of(kHoldsFile);
  SealedWriter file(kHoldsFormat, unknown.file.header);
  for (const ProviderId& provider : held) {
    file.record([&](JsonWriter& fields) {
      fields.field("provider", provider.str());
      write_fields(found_in(unknown.records, provider.str()), fields);
    });
  }
  return store(kHoldsFile, std::move(file).finish([&](JsonWriter& fields) {
    write_fields(unknown.file.trailer, fields);
  }));
}

// --- observed ---

Result<std::optional<ObservedProviders>> StateFiles::load_observed() {
  ObservedProviders observed;
  Unknown unknown;
  auto there = load(
      kObservedFile, kObservedFormat, 2 * limits::kMaxProviders,
      [&](const JsonValue& record) -> std::optional<std::string> {
        ProblemList problems;
        ObjectReader reader(record, "", problems);
        std::string provider;
        std::string backend;
        std::string missing;
        ObservedProvider entry;
        reader.ignore("checksum")
            .required("provider", provider)
            .required("backend", backend)
            .optional("accepted_unreachable", entry.accepted_unreachable)
            .optional("missing_capability", missing);
        if (auto problem = first_problem(problems)) return problem;
        const auto digest = from_hex(backend);
        if (!digest) return "field backend: expected 16 hexadecimal digits";
        if (!missing.empty()) entry.missing_capability = std::move(missing);
        ObservedKey key{ProviderId(std::move(provider)), *digest};
        unknown.records[record_key(key)] = unknown_of_reader(reader);
        if (!observed.emplace(std::move(key), std::move(entry)).second) return "repeats a provider";
        return std::nullopt;
      },
      unknown.file);
  if (!there) return tl::unexpected(std::move(there.error()));
  remember(kObservedFile, std::move(unknown));
  return *there ? std::optional<ObservedProviders>(std::move(observed)) : std::nullopt;
}

Saved StateFiles::save_observed(const ObservedProviders& observed) {
  const Unknown unknown = unknown_of(kObservedFile);
  SealedWriter file(kObservedFormat, unknown.file.header);
  for (const auto& one : observed) {
    const ObservedKey& key = one.first;
    const ObservedProvider& entry = one.second;
    file.record([&](JsonWriter& fields) {
      fields.field("provider", key.provider.str())
          .field("backend", to_hex(key.backend))
          .field("accepted_unreachable", entry.accepted_unreachable);
      if (entry.missing_capability) fields.field("missing_capability", *entry.missing_capability);
      write_fields(found_in(unknown.records, record_key(key)), fields);
    });
  }
  return store(kObservedFile, std::move(file).finish([&](JsonWriter& fields) {
    write_fields(unknown.file.trailer, fields);
  }));
}

// --- topology ---

Result<std::optional<SavedTopology>> StateFiles::load_topology() {
  std::vector<Member> members;
  std::set<NodeId> ids;
  Unknown unknown;
  auto there = load(
      kTopologyFile, kTopologyFormat, limits::kMaxMembers,
      [&](const JsonValue& record) -> std::optional<std::string> {
        const JsonValue* member = record.find("member");
        if (member == nullptr) return "holds no member";
        ProblemList problems;
        ClusterNode node = read_node(*member, "member", problems);
        if (auto problem = first_problem(problems)) return problem;
        if (!ids.insert(node.id).second) return "repeats the member " + shown(node.id.str());
        members.push_back(make_member(std::move(node)));
        return std::nullopt;
      },
      unknown.file);
  if (!there) return tl::unexpected(std::move(there.error()));
  if (!*there) return std::optional<SavedTopology>();
  const auto provider = take_text(unknown.file.trailer, "provider");
  const auto observed_at = take_number(unknown.file.trailer, "observed_at_unix_ms");
  const auto hash = take_text(unknown.file.trailer, "snapshot_hash");
  const std::size_t last_line = members.size() + 2;
  SavedTopology topology;
  topology.members = MemberMap::from(std::move(members));
  if (!provider || !observed_at || !hash || *hash != std::to_string(topology.members.hash())) {
    return tl::unexpected(corrupted(
        store_path(directory_, kTopologyFile),
        SealError{last_line, "the last line lacks a field, or its hash is not that of the members",
                  false},
        set_aside_command(directory_, kTopologyFile)));
  }
  topology.provider = ProviderId(*provider);
  topology.observed_at = from_unix_ms(*observed_at);
  unknown.file.trailer =
      unknown_fields(unknown.file.trailer, {"provider", "observed_at_unix_ms", "snapshot_hash"});
  remember(kTopologyFile, std::move(unknown));
  return std::optional<SavedTopology>(std::move(topology));
}

Saved StateFiles::save_topology(const SavedTopology& topology) {
  const Unknown unknown = unknown_of(kTopologyFile);
  SealedWriter file(kTopologyFormat, unknown.file.header);
  std::uint64_t hash = 0;
  topology.members.for_each([&](const Member& member) {
    hash += with_blocked(member, false).hash;
    file.record([&](JsonWriter& fields) {
      fields.key("member");
      write_node(*member.node, fields);
    });
  });
  return store(kTopologyFile, std::move(file).finish([&](JsonWriter& fields) {
    fields.field("provider", topology.provider.str())
        .field("observed_at_unix_ms", to_unix_ms(topology.observed_at))
        .field("snapshot_hash", std::to_string(hash));
    write_fields(unknown.file.trailer, fields);
  }));
}

}  // namespace rollcall
