#include "providers/local/registry/registry_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "core/codec/canonical.h"
#include "core/codec/json_reader.h"
#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"
#include "core/codec/object_reader.h"
#include "core/recovery.h"
#include "core/text.h"
#include "providers/local/registry/limits.h"
#include "providers/local/registry/utc_time.h"

namespace rollcall {
namespace {

constexpr std::string_view kFormat = "rollcall.local";
constexpr std::int64_t kReader = 1;
constexpr std::string_view kFileEnds = "\"}\n";
constexpr std::size_t kChecksumDigits = 16;

std::string hex64(std::uint64_t value) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(kChecksumDigits, '0');
  for (std::size_t i = kChecksumDigits; i-- > 0; value >>= 4) text[i] = kDigits[value & 15];
  return text;
}

bool is_node_key(std::string_view key) {
  static constexpr std::array<std::string_view, 8> kKeys = {
      "id", "host", "port", "zone", "labels", "weight", "status", "incarnation"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

void write_unknown(const JsonValue::Object& fields, JsonWriter& writer) {
  for (const JsonMember& field : fields) writer.key(field.key).value(field.value);
}

Result<std::string> entry_line(const LocalEntry& entry) {
  JsonWriter writer;
  writer.begin_object();
  write_node_fields(entry.node, writer);
  writer.field("pid", entry.process.pid)
      .field_u64_text("start_time", entry.process.start_ticks)
      .field("boot_id", entry.process.boot_id)
      .field("namespaces", entry.process.namespaces)
      .field("socket", entry.socket)
      .field("version", entry.version)
      .field("created", utc_text(entry.created));
  write_unknown(entry.unknown, writer);
  writer.end_object();
  return std::move(writer).finish();
}

// A line is read as a document of its own: its "line 1" would contradict the file's.
std::string without_line(std::string message) {
  for (const std::string_view of_line : {" (line 1)", "line 1, "}) {
    for (std::size_t at = message.find(of_line); at != std::string::npos;
         at = message.find(of_line, at)) {
      message.erase(at, of_line.size());
    }
  }
  return message;
}

Result<JsonValue> read_line(std::string_view line) {
  ReadLimits limits;
  limits.max_bytes = limits::kMaxLocalLineBytes;
  limits.code = ErrorCode::StoreCorrupted;
  return parse_json(line, limits);
}

class Decoder {
 public:
  Decoder(std::string_view text, const std::string& path, RegistryCache* cache)
      : all_(text), text_(text), path_(path), cache_(cache) {}

  Result<RegistryContent> run() {
    if (!sealed()) return broken_seal();
    if (auto ok = read_head(); !ok) return tl::unexpected(std::move(ok.error()));
    while (true) {
      std::string_view line;
      if (!next_line(line)) return corrupted("the last line is missing");
      if (text_.empty()) return read_end(line);
      if (content_.entries.size() == limits::kMaxLocalEntries) {
        return corrupted("more than " + std::to_string(limits::kMaxLocalEntries) + " entries");
      }
      if (auto ok = read_entry(line); !ok) return tl::unexpected(std::move(ok.error()));
    }
  }

 private:
  tl::unexpected<ProvisioningError> corrupted(const std::string& reason) const {
    return tl::unexpected(
        broken_state(path_ + ":" + std::to_string(line_number_), without_line(reason),
                     set_aside(path_) + "  # every node of this host has to register again"));
  }

  bool sealed() const {
    const std::size_t tail = kChecksumDigits + kFileEnds.size();
    if (all_.size() < tail || !all_.ends_with(kFileEnds)) return false;
    const std::string_view covered = all_.substr(0, all_.size() - tail);
    return all_.substr(covered.size(), kChecksumDigits) == hex64(xxh64(covered));
  }

  // Nothing of a file without its seal is believed; which line it is only helps the reader.
  tl::unexpected<ProvisioningError> broken_seal() {
    if (all_.empty()) {
      line_number_ = 1;
      return corrupted("the file is empty; a registry without entries has two lines");
    }
    std::string_view line;
    while (next_line(line)) {
      if (auto value = read_line(line); !value) return corrupted(value.error().message);
    }
    if (!text_.empty()) {
      ++line_number_;
      return corrupted("the file is cut here");
    }
    return corrupted("the checksum does not match: a byte of the file was changed or is missing");
  }

  bool next_line(std::string_view& line) {
    const std::size_t end = text_.find('\n');
    if (end == std::string_view::npos) return false;
    ++line_number_;
    line = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return true;
  }

  Result<void> read_head() {
    std::string_view line;
    if (!next_line(line)) return corrupted("the first line is missing");
    auto head = read_line(line);
    if (!head) return corrupted(head.error().message);
    ProblemList problems;
    ObjectReader reader(*head, "", problems);
    std::string format;
    std::int64_t min_reader = 0;
    reader.required("format", format).required("min_reader", min_reader);
    if (!problems.empty()) return wrong(problems);
    if (format != kFormat) {
      return corrupted("the format is not " + std::string(kFormat));
    }
    if (min_reader > kReader) {
      return tl::unexpected(later_state(path_, "it needs a reader of version " +
                                                   std::to_string(min_reader) + ", this one is " +
                                                   std::to_string(kReader)));
    }
    reader.required_u64_text("revision", content_.revision);
    if (!problems.empty()) return wrong(problems);
    for (const JsonMember* field : reader.unknown()) content_.unknown.push_back(*field);
    return {};
  }

  tl::unexpected<ProvisioningError> wrong(const ProblemList& problems) const {
    return corrupted(problems.fail(ErrorCode::StoreCorrupted, "refused").value().message);
  }

  // An entry's form depends on nothing but its line; that its id is unique, on the others.
  Result<void> read_entry(std::string_view line) {
    std::string key = cache_ != nullptr ? std::string(line) : "";
    Result<LocalEntry> entry{};
    if (const auto known = find_cached(key)) {
      entry = *known;
    } else {
      entry = parse_entry(line);
    }
    if (!entry) return tl::unexpected(std::move(entry.error()));
    if (!ids_.insert(entry->node.id).second) return corrupted("this id is there twice");
    if (cache_ != nullptr) next_cache_.emplace(std::move(key), *entry);
    content_.entries.push_back(std::move(*entry));
    return {};
  }

  const LocalEntry* find_cached(const std::string& line) const {
    if (cache_ == nullptr) return nullptr;
    const auto found = cache_->find(line);
    return found == cache_->end() ? nullptr : &found->second;
  }

  Result<LocalEntry> parse_entry(std::string_view line) const {
    auto value = read_line(line);
    if (!value) return corrupted(value.error().message);
    if (value->as_object() == nullptr) return corrupted("an entry is expected");
    JsonValue::Object node;
    JsonValue::Object rest;
    for (const JsonMember& field : *value->as_object()) {
      (is_node_key(field.key) ? node : rest).push_back(field);
    }
    ProblemList problems;
    LocalEntry entry;
    entry.node = read_node(JsonValue(std::move(node)), "", problems);
    const JsonValue own(std::move(rest));
    read_own_fields(own, entry, problems);
    if (problems.empty()) problems.add_all(validate_entry(entry, ""));
    if (!problems.empty()) return wrong(problems);
    return entry;
  }

  static void read_own_fields(const JsonValue& own, LocalEntry& entry, ProblemList& problems) {
    ObjectReader reader(own, "", problems);
    std::string created;
    // Any number may stand there as pid: one that no process can have is a dead process.
    reader.required("pid", entry.process.pid)
        .required_u64_text("start_time", entry.process.start_ticks)
        .optional("boot_id", entry.process.boot_id)
        .optional("namespaces", entry.process.namespaces)
        .required("socket", entry.socket)
        .optional("version", entry.version)
        .required("created", created);
    if (const auto time = parse_utc(created)) {
      entry.created = *time;
    } else if (!created.empty()) {
      problems.add("created", created, "a time such as 2026-11-21T15:08:49.123Z");
    }
    for (const JsonMember* field : reader.unknown()) entry.unknown.push_back(*field);
  }

  Result<RegistryContent> read_end(std::string_view line) {
    auto value = read_line(line);
    if (!value) return corrupted(value.error().message);
    ProblemList problems;
    ObjectReader reader(*value, "", problems);
    std::uint64_t entries = 0;
    reader.required("entries", entries).ignore("checksum");
    if (!problems.empty()) return wrong(problems);
    if (entries != content_.entries.size()) {
      return corrupted("it counts " + std::to_string(entries) + " entries, there are " +
                       std::to_string(content_.entries.size()));
    }
    if (cache_ != nullptr) *cache_ = std::move(next_cache_);
    return std::move(content_);
  }

  std::string_view all_;
  std::string_view text_;  // what is left to read
  const std::string& path_;
  RegistryCache* const cache_;  // null: none
  RegistryCache next_cache_;
  std::size_t line_number_ = 0;
  std::set<NodeId> ids_;
  RegistryContent content_;
};

void check_plain(std::string_view field, std::string_view name, std::string_view value,
                 std::size_t max_bytes, std::vector<Problem>& problems) {
  if (value.size() <= max_bytes && is_valid_utf8(value) && !has_control_characters(value)) return;
  std::string path(field);
  if (!path.empty()) path += '.';
  problems.push_back(
      {path.append(name), printable(value, limits::kMaxProblemValueBytes),
       "at most " + std::to_string(max_bytes) + " bytes of UTF-8 without control characters"});
}

}  // namespace

ClusterNode labelled_node(const LocalEntry& entry) {
  ClusterNode node = entry.node;
  node.labels[std::string(kSocketLabel)] = entry.socket;
  if (!entry.version.empty()) node.labels[std::string(kVersionLabel)] = entry.version;
  return node;
}

std::vector<Problem> validate_entry(const LocalEntry& entry, std::string_view field) {
  std::vector<Problem> problems = validate_node(labelled_node(entry), field);
  if (entry.socket.size() < 2 || entry.socket.front() != '/') {
    std::string path(field);
    if (!path.empty()) path += '.';
    problems.push_back({path + "socket", printable(entry.socket, limits::kMaxProblemValueBytes),
                        "the absolute path of a Unix socket"});
  } else {
    check_plain(field, "socket", entry.socket, limits::kMaxSocketBytes, problems);
  }
  check_plain(field, "version", entry.version, limits::kMaxVersionBytes, problems);
  check_plain(field, "boot_id", entry.process.boot_id, limits::kMaxHostIdentityBytes, problems);
  check_plain(field, "namespaces", entry.process.namespaces, limits::kMaxHostIdentityBytes,
              problems);
  return problems;
}

Result<std::string> encode_registry(const RegistryContent& content) {
  if (content.entries.size() > limits::kMaxLocalEntries) {
    return fail(ErrorCode::LimitExceeded, std::to_string(content.entries.size()) +
                                              " entries are above the limit of " +
                                              std::to_string(limits::kMaxLocalEntries));
  }
  JsonWriter head;
  head.begin_object().field("format", kFormat).field("min_reader", kReader);
  head.field_u64_text("revision", content.revision);
  write_unknown(content.unknown, head);
  head.end_object();
  auto text = std::move(head).finish();
  if (!text) return text;
  *text += '\n';
  for (const LocalEntry& entry : content.entries) {
    auto line = entry_line(entry);
    if (!line) return line;
    *text += *line + "\n";
  }
  *text += "{\"entries\":" + std::to_string(content.entries.size()) + ",\"checksum\":\"";
  *text += hex64(xxh64(*text));
  *text += kFileEnds;
  if (text->size() > limits::kMaxLocalRegistryBytes) {
    return fail(ErrorCode::LimitExceeded,
                "the registry would have " + std::to_string(text->size()) +
                    " bytes, above the limit of " + std::to_string(limits::kMaxLocalRegistryBytes));
  }
  return text;
}

Result<RegistryContent> decode_registry(std::string_view text, const std::string& path,
                                        RegistryCache* cache) {
  return Decoder(text, path, cache).run();
}

Result<RegistryContent> load_registry(FileSystem& files, const std::string& directory,
                                      RegistryCache* cache) {
  const std::string path = directory + "/" + std::string(kLocalRegistryFile);
  auto text = files.read(path, limits::kMaxLocalRegistryBytes);
  if (text) return decode_registry(*text, path, cache);
  if (text.error().code == ErrorCode::NotFound) return RegistryContent{};
  if (text.error().code == ErrorCode::LimitExceeded) {
    return tl::unexpected(
        broken_state(path, "larger than " + std::to_string(limits::kMaxLocalRegistryBytes),
                     set_aside(path) + "  # every node of this host has to register again"));
  }
  return tl::unexpected(std::move(text.error()));
}

Result<void> save_registry(FileSystem& files, const std::string& directory,
                           const RegistryContent& content) {
  auto text = encode_registry(content);
  if (!text) return tl::unexpected(std::move(text.error()));
  auto written = write_atomically(files, directory, std::string(kLocalRegistryFile), *text);
  if (!written) return tl::unexpected(std::move(written.error().error));
  return {};
}

}  // namespace rollcall
