// A real child process under a test's control: started, stopped and continued (silence), killed
// (refusal), waited for under a deadline. It dies with its Process object, and the kernel kills it
// when the thread that started it ends (PR_SET_PDEATHSIG), so that a crashed or timed-out test
// leaves nothing behind: start it on the test's own thread. Not thread-safe; one owner.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/backends/environment.h"

namespace rollcall::test {

// How a child ended: its exit code, or the signal that killed it.
struct Exit {
  int code = 0;
  int signal = 0;
  bool ok() const { return code == 0 && signal == 0; }
};

class Process {
 public:
  struct Options {
    std::vector<std::string> argv;  // argv[0] is the path of the program
    std::vector<std::pair<std::string, std::string>> environment;  // beside this process's own
    std::filesystem::path output;     // stdout and stderr are appended here; empty: thrown away
    std::filesystem::path input;      // stdin; empty: nothing
    std::filesystem::path directory;  // working directory; empty: this process's
  };

  static Outcome<Process> start(const Options& options);

  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // SIGKILL, and waits for it

  pid_t pid() const { return pid_; }
  // Sends the signal; false if the process has ended.
  bool signal(int number);
  // SIGSTOP until stopped in fact, and SIGCONT: the peer is silent, its connections stay open.
  bool pause();
  bool resume();
  // Waits until the process has ended; nothing if it still runs at the limit.
  std::optional<Exit> wait(std::chrono::milliseconds limit);
  bool running();
  // SIGKILL and the end awaited.
  void kill();

  // What the process has written so far (Options::output); its last `bytes`.
  std::string output_tail(std::size_t bytes = 4096) const;

 private:
  Process(pid_t pid, int pidfd, std::filesystem::path output);

  pid_t pid_ = -1;
  int pidfd_ = -1;
  std::optional<Exit> exit_;
  std::filesystem::path output_;
};

// Runs a program to its end; its stdout and stderr together.
struct Finished {
  Exit exit;
  std::string output;
};
Outcome<Finished> run(std::vector<std::string> argv, std::chrono::milliseconds limit,
                      std::string_view input = {});

}  // namespace rollcall::test
