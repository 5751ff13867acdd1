// DirectoryWatch: inotify on the directory of a file, and, where the file is a symbolic link, on
// the directory of what it leads to. A directory, because editors and Kubernetes ConfigMaps replace
// the file or a link on its way: a watch on the file itself would follow the old one into oblivion.
//
// Threads: belongs to one.
#pragma once

#include <string>
#include <vector>

#include "providers/common/unique_fd.h"

namespace rollcall {

class DirectoryWatch {
 public:
  explicit DirectoryWatch(const std::string& path);

  // Puts the watches where they belong now; cheap when nothing moved. False: some of them can't be
  // had (no such directory, no descriptors left), and only polling will notice changes.
  bool refresh();
  int fd() const { return inotify_.get(); }  // readable: drain(); -1: there is no inotify

  struct Seen {
    bool changed = false;   // the file may be another one now
    bool writing = false;   // somebody is writing it and has not closed it
    bool finished = false;  // a write was closed, or a complete file moved into place
  };
  Seen drain();

 private:
  struct Watched {
    int id = -1;
    std::string directory;
    std::string name;  // of the file in it
    friend bool operator==(const Watched&, const Watched&) = default;
  };
  std::vector<Watched> wanted() const;
  void on_event(int id, unsigned mask, const std::string& name, Seen& seen);

  std::string path_;
  UniqueFd inotify_;
  std::vector<Watched> watched_;
  bool lost_ = true;  // a watched directory went away, or was never there
};

}  // namespace rollcall
