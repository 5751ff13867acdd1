#include "tests/providers/plugin_support.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "providers/custom/custom_provider.h"
#include "tests/backends/environment.h"

namespace rollcall::test {

namespace fs = std::filesystem;

std::unique_ptr<ClusterProvider> make_custom(const Clock& clock, Params params,
                                             std::vector<std::string> endpoints, AuthRef auth) {
  ProviderDescriptor d;
  d.id = ProviderId("p");
  d.kind = "custom";
  d.endpoints = std::move(endpoints);
  d.auth = std::move(auth);
  d.watch_params = std::move(params);
  auto provider = make_custom_factory()->create(d, {const_cast<Clock*>(&clock), nullptr, ""});
  EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
  return provider ? std::move(*provider) : nullptr;
}

std::vector<ProcessInfo> all_processes() {
  std::vector<ProcessInfo> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = read_file(entry.path() / "stat");
    const auto after_name = stat.rfind(") ");
    if (after_name == std::string::npos || stat.size() < after_name + 5) continue;  // it is gone
    ProcessInfo info;
    info.pid = static_cast<pid_t>(std::stol(name));
    info.state = stat[after_name + 2];
    info.parent = static_cast<pid_t>(std::strtol(stat.c_str() + after_name + 4, nullptr, 10));
    info.command_line = read_file(entry.path() / "cmdline");
    std::ranges::replace(info.command_line, '\0', ' ');
    all.push_back(std::move(info));
  }
  return all;
}

std::size_t own_children() {
  const auto all = all_processes();
  return static_cast<std::size_t>(std::ranges::count(all, ::getpid(), &ProcessInfo::parent));
}

std::size_t own_zombies() {
  const auto all = all_processes();
  return static_cast<std::size_t>(std::ranges::count_if(
      all, [](const ProcessInfo& p) { return p.parent == ::getpid() && p.state == 'Z'; }));
}

std::size_t running_with(const std::string& text) {
  const auto all = all_processes();
  return static_cast<std::size_t>(std::ranges::count_if(all, [&](const ProcessInfo& p) {
    return p.state != 'Z' && p.command_line.find(text) != std::string::npos;
  }));
}

}  // namespace rollcall::test
