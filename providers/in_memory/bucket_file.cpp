#include "providers/in_memory/bucket_file.h"

#include <array>
#include <charconv>
#include <utility>

#include "core/codec/canonical.h"
#include "core/codec/json_reader.h"
#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"
#include "core/codec/object_reader.h"
#include "core/limits.h"
#include "core/recovery.h"

namespace rollcall {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::string_view kListOpens = "\"members\":[";
constexpr std::string_view kListCloses = "]}\n";
// A member's JSON is at most its canonical bytes with every byte escaped (\u00NN), and the names.
constexpr std::size_t kMaxLineBytes = 8 * limits::kMaxNodeBytes;

std::string hex64(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16);
  (void)error;
  const std::string text(digits.data(), end);
  return std::string(16 - text.size(), '0') + text;
}

bool is_member_key(std::string_view key) {
  return key == "id" || key == "host" || key == "port" || key == "zone" || key == "labels" ||
         key == "weight" || key == "status" || key == "incarnation";
}

Result<std::string> member_line(const StoredMember& member) {
  JsonWriter writer;
  writer.begin_object();
  write_node_fields(*member.node, writer);
  for (const JsonMember& field : member.unknown) writer.key(field.key).value(field.value);
  writer.end_object();
  return std::move(writer).finish();
}

class Decoder {
 public:
  Decoder(std::string_view text, const std::string& path, std::size_t bucket)
      : text_(text), path_(path), number_(bucket) {}

  Result<Bucket> run() {
    if (auto ok = read_head(); !ok) return tl::unexpected(std::move(ok.error()));
    for (bool last = false; !last;) {
      std::string_view line;
      if (!next_line(line)) return corrupted("the end of the list is missing");
      if (bucket_.members.empty() && line == "]}") break;  // an empty list
      last = !line.ends_with(',');
      if (!last) line.remove_suffix(1);
      if (auto ok = read_member(line); !ok) return tl::unexpected(std::move(ok.error()));
      if (last && (!next_line(line) || line != "]}")) {
        return corrupted("the end of the list is expected");
      }
    }
    if (!text_.empty()) return corrupted("text after the end of the list");
    return std::move(bucket_);
  }

 private:
  tl::unexpected<ProvisioningError> corrupted(const std::string& reason) const {
    return tl::unexpected(broken_state(where(), reason,
                                       set_aside(path_) +
                                           "  # gives up the members in it, unless a backup of "
                                           "the file takes its place"));
  }

  std::string where() const { return path_ + ":" + std::to_string(line_number_); }

  bool next_line(std::string_view& line) {
    const std::size_t end = text_.find('\n');
    if (end == std::string_view::npos) return false;
    ++line_number_;
    line = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return true;
  }

  Result<JsonValue> read_json(std::string_view text) const {
    ReadLimits limits;
    limits.max_bytes = kMaxLineBytes;
    limits.code = ErrorCode::StoreCorrupted;
    auto value = parse_json(text, limits);
    if (!value) return corrupted(value.error().message);
    return value;
  }

  Result<void> read_head() {
    std::string_view line;
    if (!next_line(line)) return corrupted("no complete first line");
    if (!line.ends_with(kListOpens)) return corrupted("the first line must open the members");
    auto head = read_json(std::string(line) + "]}");
    if (!head) return tl::unexpected(std::move(head.error()));
    ProblemList problems;
    ObjectReader reader(*head, "", problems);
    std::int64_t format = 0;
    std::int64_t min_reader = 0;
    std::string checksum;
    reader.required("format", format).required("min_reader", min_reader);
    reader.required("checksum", checksum).ignore("members");
    if (!problems.empty()) {
      return corrupted(problems.fail(ErrorCode::StoreCorrupted, "bad head").value().message);
    }
    if (min_reader > kFormat) {
      return tl::unexpected(later_state(where(), "it needs a reader of format " +
                                                     std::to_string(min_reader) + ", this one is " +
                                                     std::to_string(kFormat)));
    }
    if (checksum != hex64(xxh64(text_))) return corrupted("the checksum does not match");
    for (const JsonMember* field : reader.unknown()) bucket_.unknown.push_back(*field);
    return {};
  }

  Result<void> read_member(std::string_view line) {
    auto value = read_json(line);
    if (!value) return tl::unexpected(std::move(value.error()));
    const JsonValue::Object* object = value->as_object();
    if (object == nullptr) return corrupted("a member is expected");
    StoredMember member;
    JsonValue::Object known;
    for (const JsonMember& field : *object) {
      (is_member_key(field.key) ? known : member.unknown).push_back(field);
    }
    ProblemList problems;
    ClusterNode node = read_node(JsonValue(std::move(known)), "", problems);
    if (!problems.empty()) {
      return corrupted(problems.fail(ErrorCode::StoreCorrupted, "bad member").value().message);
    }
    if (bucket_of(node.id) != number_) return corrupted("this member belongs to another bucket");
    NodeId id = node.id;
    member.node = std::make_shared<const ClusterNode>(std::move(node));
    if (!bucket_.members.emplace(std::move(id), std::move(member)).second) {
      return corrupted("this member is there twice");
    }
    return {};
  }

  std::string_view text_;
  const std::string& path_;
  std::size_t number_;
  std::size_t line_number_ = 0;
  Bucket bucket_;
};

}  // namespace

std::size_t bucket_of(const NodeId& id) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : id.str()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  return static_cast<std::size_t>((hash ^ (hash >> 8) ^ (hash >> 16) ^ (hash >> 32)) % kBuckets);
}

std::string bucket_file_name(std::size_t bucket) {
  static constexpr char kHex[] = "0123456789abcdef";
  return {kHex[bucket / 16 % 16], kHex[bucket % 16], '.', 'j', 's', 'o', 'n'};
}

Result<std::string> encode_bucket(const Bucket& bucket) {
  std::string list;
  for (auto at = bucket.members.begin(); at != bucket.members.end(); ++at) {
    auto line = member_line(at->second);
    if (!line) return line;
    list += *line;
    list += std::next(at) == bucket.members.end() ? "\n" : ",\n";
  }
  list += kListCloses;
  JsonWriter head;
  head.begin_object().field("format", kFormat).field("min_reader", kFormat);
  head.field("checksum", hex64(xxh64(list)));
  for (const JsonMember& field : bucket.unknown) head.key(field.key).value(field.value);
  head.key("members").begin_array().end_array().end_object();
  auto text = std::move(head).finish();
  if (!text) return text;
  text->resize(text->size() - 2);  // "]}": the members come in between
  return *text + "\n" + list;
}

Result<Bucket> decode_bucket(std::string_view text, const std::string& path, std::size_t bucket) {
  return Decoder(text, path, bucket).run();
}

}  // namespace rollcall
