#include "providers/common/directory_watch.h"

#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <array>
#include <cstring>
#include <memory>

#include "providers/common/limits.h"

namespace rollcall {
namespace {

constexpr std::uint32_t kMask = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO |
                                IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF |
                                IN_MOVE_SELF | IN_ONLYDIR;

struct Place {
  std::string directory;
  std::string name;
};

Place split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

DirectoryWatch::DirectoryWatch(const std::string& path)
    : path_(path), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

std::vector<DirectoryWatch::Watched> DirectoryWatch::wanted() const {
  std::vector<Watched> places;
  const Place own = split(path_);
  places.push_back({-1, own.directory, own.name});
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path_.c_str(), nullptr), ::free);
  if (!real) return places;
  const Place target = split(real.get());
  if (target.directory != own.directory || target.name != own.name) {
    places.push_back({-1, target.directory, target.name});
  }
  return places;
}

bool DirectoryWatch::refresh() {
  if (!inotify_) return false;
  std::vector<Watched> places = wanted();
  bool same = !lost_ && places.size() == watched_.size();
  for (std::size_t i = 0; same && i < places.size(); ++i) {
    same = places[i].directory == watched_[i].directory && places[i].name == watched_[i].name;
  }
  if (same) return true;
  bool complete = true;
  for (Watched& place : places) {
    place.id = ::inotify_add_watch(inotify_.get(), place.directory.c_str(), kMask);
    complete = complete && place.id >= 0;
  }
  for (const Watched& old : watched_) {
    bool kept = old.id < 0;
    for (const Watched& place : places) kept = kept || place.id == old.id;
    if (!kept) ::inotify_rm_watch(inotify_.get(), old.id);
  }
  watched_ = std::move(places);
  lost_ = !complete;
  return complete;
}

void DirectoryWatch::on_event(int id, unsigned mask, const std::string& name, Seen& seen) {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    seen.changed = true;
    return;
  }
  bool ours = false;
  bool known = false;
  for (const Watched& place : watched_) {
    known = known || place.id == id;
    ours = ours || (place.id == id && place.name == name);
  }
  if (!known) return;  // of a watch that was given up
  if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0) {
    lost_ = true;
    seen.changed = true;
  }
  // On a chain of links any name may be one of its links (`..data` of a ConfigMap).
  const bool link = watched_.size() > 1;
  if (!ours && !(link && (mask & (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE)) != 0)) {
    return;
  }
  seen.changed = true;
  if (!ours) return;
  if ((mask & (IN_MODIFY | IN_CREATE)) != 0) {
    seen.writing = true;
    seen.finished = false;
  }
  if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0) {
    seen.writing = false;
    seen.finished = true;
  }
}

DirectoryWatch::Seen DirectoryWatch::drain() {
  Seen seen;
  alignas(inotify_event) std::array<char, limits::kInotifyBytes> buffer;
  for (int round = 0; inotify_ && round < limits::kInotifyReads; ++round) {
    const ssize_t size = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (size <= 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* name = buffer.data() + at + sizeof event;
      on_event(event.wd, event.mask, std::string(name, ::strnlen(name, event.len)), seen);
      at += sizeof event + event.len;
    }
  }
  return seen;
}

}  // namespace rollcall
