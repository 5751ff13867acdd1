#include "provisioning/fleet/fleet_document.h"

#include <utility>

#include "core/codec/json_writer.h"
#include "core/limits.h"
#include "core/recovery.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/hex.h"

namespace rollcall {
namespace {

constexpr std::string_view kFleet = "fleet";
constexpr std::string_view kHistory = "history";
constexpr std::string_view kKey = "key";

JsonMember text_field(std::string_view key, std::string text) {
  return {std::string(key), {}, JsonValue(std::move(text))};
}

// Takes a field out of the last line. None: it is not there; an empty text: it is not a text.
std::optional<std::string> take_text(JsonValue::Object& trailer, std::string_view key) {
  for (auto at = trailer.begin(); at != trailer.end(); ++at) {
    if (at->key != key) continue;
    const std::string* text = at->value.as_string();
    std::string taken = text != nullptr ? *text : "";
    trailer.erase(at);
    return taken;
  }
  return std::nullopt;
}

// False: it is there and is not a number of ours.
bool take_hex(JsonValue::Object& trailer, std::string_view key, std::uint64_t& out) {
  const auto text = take_text(trailer, key);
  if (!text) return true;
  const auto value = from_hex(*text);
  if (value) out = *value;
  return value.has_value();
}

tl::unexpected<FleetDocumentError> refused(bool newer, ErrorCode code, std::string message) {
  return tl::unexpected<FleetDocumentError>({newer, {code, std::move(message), {}, 0}});
}

ProvisioningError too_large(std::size_t bytes) {
  return {ErrorCode::LimitExceeded,
          "the set of providers takes " + std::to_string(bytes) +
              " bytes, a fleet's document may have " +
              std::to_string(limits::kMaxFleetDocumentBytes),
          {},
          0};
}

tl::unexpected<ProvisioningError> broken_copy(const std::string& directory) {
  const std::string path = directory + "/" + std::string(kFleetFile);
  return tl::unexpected(
      broken_state(path, "does not say of which document it is a copy", set_aside(path)));
}

}  // namespace

tl::expected<FleetSet, FleetDocumentError> decode_fleet_document(std::string_view text) {
  if (text.size() > limits::kMaxFleetDocumentBytes) {
    return refused(false, ErrorCode::LimitExceeded, too_large(text.size()).message);
  }
  FleetSet fleet;
  auto set = decode_providers(text, fleet.unknown);
  if (!set) {
    std::string where = set.error().line != 0 ? "line " + std::to_string(set.error().line) : "it";
    return refused(set.error().newer, ErrorCode::StoreCorrupted, where + " " + set.error().reason);
  }
  if (!take_hex(fleet.unknown.file.trailer, kFleet, fleet.fleet)) {
    return refused(false, ErrorCode::StoreCorrupted, "the fleet is not 16 hexadecimal digits");
  }
  if (set->revision == Revision()) {
    return refused(false, ErrorCode::StoreCorrupted, "a stored set has a revision of at least 1");
  }
  fleet.set = std::move(*set);
  for (ProviderDescriptor& d : fleet.set.providers) d.origin = Origin::Api;
  return fleet;
}

Result<std::string> encode_fleet_document(const FleetSet& fleet) {
  UnknownProviderFields fields = fleet.unknown;
  fields.file.trailer.insert(fields.file.trailer.begin(), text_field(kFleet, to_hex(fleet.fleet)));
  auto text = encode_providers(fleet.set, fields);
  if (text && text->size() > limits::kMaxFleetDocumentBytes) {
    return tl::unexpected(too_large(text->size()));
  }
  return text;
}

Result<std::optional<FleetCopy>> read_fleet_copy(FileSystem& files, const std::string& directory) {
  FleetCopy copy;
  auto set = read_providers_file(files, directory, kFleetFile, &copy.set.unknown);
  if (!set) return tl::unexpected(std::move(set.error()));
  if (!*set) return std::optional<FleetCopy>();
  copy.set.set = std::move(**set);
  for (ProviderDescriptor& d : copy.set.set.providers) d.origin = Origin::Api;
  JsonValue::Object& trailer = copy.set.unknown.file.trailer;
  const auto key = take_text(trailer, kKey);
  if (!key || !take_hex(trailer, kFleet, copy.set.fleet) ||
      !take_hex(trailer, kHistory, copy.history)) {
    return broken_copy(directory);
  }
  copy.key = *key;
  return std::optional<FleetCopy>(std::move(copy));
}

Result<void> write_fleet_copy(FileSystem& files, const std::string& directory,
                              const FleetCopy& copy) {
  UnknownProviderFields fields = copy.set.unknown;
  JsonValue::Object own{text_field(kFleet, to_hex(copy.set.fleet)),
                        text_field(kHistory, to_hex(copy.history)), text_field(kKey, copy.key)};
  fields.file.trailer.insert(fields.file.trailer.begin(), own.begin(), own.end());
  auto text = encode_providers(copy.set.set, fields);
  if (!text) return tl::unexpected(std::move(text.error()));
  auto written = write_atomically(files, directory, std::string(kFleetFile), *text);
  if (!written) return tl::unexpected(std::move(written.error().error));
  return {};
}

std::string_view to_string(FleetVerdict verdict) {
  switch (verdict) {
    case FleetVerdict::Absent:
      return "absent";
    case FleetVerdict::First:
      return "first";
    case FleetVerdict::Same:
      return "same";
    case FleetVerdict::Newer:
      return "newer";
    case FleetVerdict::Gone:
      return "gone";
    case FleetVerdict::Older:
      return "older";
    case FleetVerdict::Diverged:
      return "diverged";
    case FleetVerdict::Foreign:
      return "foreign";
    case FleetVerdict::Broken:
      return "broken";
    case FleetVerdict::TooNew:
      return "too new";
  }
  return "broken";
}

// A write on purpose names the revision that runs here; it never replaces what a later version
// wrote, or what belongs to others.
FleetRule rule_of(FleetVerdict verdict) {
  //                               take_over  write  write_on_purpose
  switch (verdict) {
    case FleetVerdict::Absent:
    case FleetVerdict::Same:
      return {false, true, true};
    case FleetVerdict::First:
    case FleetVerdict::Newer:
      return {true, false, false};
    case FleetVerdict::Gone:
    case FleetVerdict::Older:
    case FleetVerdict::Diverged:
    case FleetVerdict::Broken:
      return {false, false, true};
    case FleetVerdict::Foreign:
    case FleetVerdict::TooNew:
      return {false, false, false};
  }
  return {};
}

FleetVerdict judge(const FleetCopy* followed, const SharedVersion& version, const FleetSet* seen) {
  if (seen == nullptr) return followed != nullptr ? FleetVerdict::Gone : FleetVerdict::Absent;
  if (followed == nullptr) return FleetVerdict::First;
  const bool same_store = followed->history == version.history;
  const bool same_fleet = seen->fleet != 0 && seen->fleet == followed->set.fleet;
  if (!same_store && !same_fleet) return FleetVerdict::Foreign;
  const Revision here = followed->set.set.revision;
  if (seen->set.revision > here) return FleetVerdict::Newer;
  if (seen->set.revision < here) return FleetVerdict::Older;
  return seen->same_set(followed->set) ? FleetVerdict::Same : FleetVerdict::Diverged;
}

}  // namespace rollcall
