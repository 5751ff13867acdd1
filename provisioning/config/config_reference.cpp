// The reference of all settings, made of the table that reads them.
#include <string>
#include <string_view>

#include "provisioning/config/config_loader.h"
#include "provisioning/config/settings.h"

namespace rollcall {
namespace {

constexpr std::string_view kHead =
    "| setting | value | default | environment | reload | meaning |\n|---|---|---|---|---|---|\n";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string row_of(const Setting& setting, const Config& defaults) {
  std::string fallback(setting.shown_default);
  if (fallback.empty()) fallback = setting.get(defaults);
  return "| `" + std::string(setting.path) + "` | " + escaped(setting.type) + " | " +
         (fallback.empty() ? "none" : "`" + fallback + "`") + " | `" + setting.environment() +
         "` | " + (setting.reloadable ? "yes" : "restart") + " | " + escaped(setting.doc) + " |\n";
}

}  // namespace

std::string config_reference_markdown() {
  const Config defaults;
  std::string out;
  std::string_view section = "none yet";
  for (const Setting& setting : settings()) {
    const std::size_t dot = setting.path.find('.');
    const std::string_view own =
        dot == std::string_view::npos ? std::string_view() : setting.path.substr(0, dot);
    if (own != section) {
      section = own;
      if (!own.empty()) {
        out += "\n**`" + std::string(own) + "`** " + std::string(section_doc(own)) + "\n\n";
      }
      out += kHead;
    }
    out += row_of(setting, defaults);
  }
  out +=
      "\n**`providers`** A list of provider descriptors, applied at start and at SIGHUP in one "
      "write. "
      "Only entries that came from it are removed by it, and the API can't edit them.\n";
  return out;
}

}  // namespace rollcall
