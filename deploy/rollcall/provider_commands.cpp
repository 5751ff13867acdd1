// The commands of `rollcall providers`, and the files they read.
#include <array>
#include <fstream>
#include <iostream>
#include <utility>

#include "core/codec/descriptor_codec.h"
#include "core/limits.h"
#include "deploy/rollcall/commands.h"
#include "deploy/rollcall/show_providers.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {
namespace {

Result<std::string> read_bounded(std::istream& input, const std::string& name) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (input.read(buffer.data(), buffer.size()) || input.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(input.gcount()));
    if (text.size() > limits::kMaxConfigBytes) {
      return fail(
          ErrorCode::LimitExceeded,
          name + " is larger than " + std::to_string(limits::kMaxConfigBytes >> 20) + " MiB");
    }
  }
  if (input.bad()) return fail(ErrorCode::InvalidConfig, name + " can't be read");
  return text;
}

// A descriptor file, or standard input for "-". INVALID_CONFIG names the file.
Result<std::string> read_file(const std::string& file) {
  if (file == "-") return read_bounded(std::cin, "standard input");
  std::ifstream input(file, std::ios::binary);
  if (!input) {
    return fail(ErrorCode::InvalidConfig,
                "the descriptor file " + shown(file) + " can't be opened");
  }
  return read_bounded(input, shown(file));
}

Result<std::vector<ProviderDescriptor>> descriptors_in(const std::string& text,
                                                       const std::string& file) {
  // The sidecar knows the kinds: it judges the contents, and names every problem at once (R1.1).
  auto descriptors = parse_descriptors(text, {}, DescriptorForm::Unjudged);
  if (!descriptors) descriptors.error().message = shown(file) + ": " + descriptors.error().message;
  return descriptors;
}

// Exactly one, for the commands that write one.
Result<ProviderDescriptor> one_in(const std::string& text, const std::string& file) {
  auto descriptors = descriptors_in(text, file);
  if (!descriptors) return tl::unexpected(descriptors.error());
  if (descriptors->size() != 1) {
    return fail(ErrorCode::InvalidConfig,
                shown(file) + " holds " + count_text(descriptors->size(), "descriptor") +
                    "; this command takes one, `rollcall providers apply` takes a whole set");
  }
  return std::move(descriptors->front());
}

}  // namespace

ExitCode Commands::show_write(const Result<v1::ProviderResponse>& response, const std::string& id,
                              std::string_view did, bool dry_run) const {
  if (!response) return terminal_.fail(response.error());
  const ExitCode printed = terminal_.print(
      terminal_.json ? write_json(*response, id, did, dry_run)
                     : Result<std::string>(write_text(*response, id, did, dry_run)));
  return response->code().empty() ? printed : ExitCode::Refused;
}

ExitCode Commands::list_providers() const {
  const auto providers = admin_.list_providers();
  if (!providers) return terminal_.fail(providers.error());
  if (terminal_.json) return terminal_.print(providers_json(*providers));
  return terminal_.print(providers_text(*providers));
}

ExitCode Commands::show_provider(const std::string& id) const {
  const auto state = admin_.get_provider(ProviderId(id));
  if (!state) return terminal_.fail(state.error());
  if (terminal_.json) return terminal_.print(provider_json(*state));
  return terminal_.print(provider_text(*state));
}

ExitCode Commands::list_kinds() const {
  const auto kinds = admin_.list_kinds();
  if (!kinds) return terminal_.fail(kinds.error());
  if (terminal_.json) return terminal_.print(kinds_json(*kinds));
  return terminal_.print(kinds_text(*kinds));
}

ExitCode Commands::add_provider(const std::string& file, const WriteFlags& flags) const {
  const auto text = read_file(file);
  if (!text) return terminal_.fail(text.error(), ExitCode::Usage);
  const auto descriptor = one_in(*text, file);
  if (!descriptor) return terminal_.fail(descriptor.error(), ExitCode::Usage);
  return show_write(admin_.register_provider(*descriptor, flags.options()), descriptor->id.str(),
                    "registered", flags.dry_run);
}

ExitCode Commands::update_provider(const std::string& file, const WriteFlags& flags) const {
  const auto text = read_file(file);
  if (!text) return terminal_.fail(text.error(), ExitCode::Usage);
  const auto descriptor = one_in(*text, file);
  if (!descriptor) return terminal_.fail(descriptor.error(), ExitCode::Usage);
  client::WriteOptions options = flags.options();
  options.keep_enabled = !says_enabled(*text);  // an operator's `disable` outlives a silent file
  return show_write(admin_.update_provider(*descriptor, options), descriptor->id.str(), "updated",
                    flags.dry_run);
}

ExitCode Commands::apply_providers(const std::string& file, const WriteFlags& flags) const {
  const auto text = read_file(file);
  if (!text) return terminal_.fail(text.error(), ExitCode::Usage);
  const auto descriptors = descriptors_in(*text, file);
  if (!descriptors) return terminal_.fail(descriptors.error(), ExitCode::Usage);
  const auto response = admin_.apply_providers(*descriptors, flags.prune, flags.options());
  if (!response) return terminal_.fail(response.error());
  const ExitCode printed =
      terminal_.print(terminal_.json ? plan_json(*response, flags.dry_run)
                                     : Result<std::string>(plan_text(*response, flags.dry_run)));
  return response->code().empty() ? printed : ExitCode::Refused;
}

ExitCode Commands::remove_provider(const std::string& id, const WriteFlags& flags) const {
  return show_write(admin_.remove_provider(ProviderId(id), flags.options()), id, "removed",
                    flags.dry_run);
}

ExitCode Commands::enable_provider(const std::string& id, const WriteFlags& flags) const {
  return show_write(admin_.enable_provider(ProviderId(id), flags.options()), id, "enabled", false);
}

ExitCode Commands::disable_provider(const std::string& id, const std::string& reason,
                                    const WriteFlags& flags) const {
  return show_write(admin_.disable_provider(ProviderId(id), reason, flags.options()), id,
                    "disabled", false);
}

}  // namespace rollcall::cli
