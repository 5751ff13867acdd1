#include "deploy/rollcall/cli.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <limits>
#include <map>
#include <utility>

#include "bridges/client/replica/limits.h"
#include "deploy/rollcall/commands.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {
namespace {

using std::chrono::milliseconds;

constexpr const char* kFooter = R"(
Examples:
  rollcall status                                what is, what is wrong, what to do
  rollcall member join n1 10.0.0.1:7000 --label rack=r1
  rollcall watch --bridge placement              one line an event; Control-C ends it
  rollcall providers apply providers.yaml --dry-run
  rollcall --output json members | jq '.members[].id'

Exit status:
  0  done
  1  the sidecar, or the process registry, answered with an error; its code is printed
  2  an argument or an input file is wrong; nothing was sent
  3  the sidecar could not be reached, or it (local: the lock's holder) took too long
  4  status --check: something needs attention
  5  store verify, local: a state file, or the process registry, is broken
  6  the output could not be written; what was asked may be done

Environment:
  ROLLCALL_SERVER     the default of --server
  ROLLCALL_STATE_DIR  the state directory, in which rollcall.sock is the default server
                      and local the default registry of rollcall local)";

// Everything that may be written on the command line.
struct Arguments {
  std::string server;
  std::string output = "table";
  std::string timeout = "15s";
  client::TlsOptions tls;

  std::string id;
  std::string file;
  std::string directory;
  std::string registry;  // the directory of the process registry
  std::int64_t pid = 0;
  Registration registration;
  std::string reason;
  std::string endpoint;
  std::string provider;
  std::string incarnation;
  std::vector<std::string> labels;
  std::string zone;
  std::uint32_t weight = 1;
  std::string status = "ready";
  std::string duration;
  bool clear = false;
  bool check = false;
  std::uint32_t backlog = 32;
  std::uint64_t count = 0;
  std::string bridge = "placement";
  std::string after;
  WatchFlags watch;
  WriteFlags write;
  std::uint64_t revision = 0;
};

// What to do once everything is parsed: with a connection, or without.
struct Action {
  std::function<ExitCode(const Commands&, const Terminal&)> remote;
  std::function<ExitCode(const Terminal&)> local;
};

ExitCode usage(const Terminal& terminal, const ProvisioningError& error) {
  return terminal.fail(error, ExitCode::Usage);
}

CLI::App* command(CLI::App& parent, const char* name, const char* what, const char* example) {
  CLI::App* app = parent.add_subcommand(name, what);
  app->footer(std::string("\nExample:\n  ") + example);
  return app;
}

void add_write_flags(CLI::App* app, Arguments& a, bool with_dry_run, bool with_unreachable) {
  if (with_dry_run) {
    app->add_flag("--dry-run", a.write.dry_run, "Check and show, change nothing");
  }
  app->add_option("--revision", a.revision,
                  "Only if the set is still at this revision, else REVISION_CONFLICT");
  if (with_unreachable) {
    app->add_flag("--allow-unreachable", a.write.allow_unreachable,
                  "Accept a backend that can't be reached now");
  }
}

Result<ClusterNode> node_of(const Arguments& a, bool address_required) {
  ClusterNode node;
  node.id = NodeId(a.id);
  if (address_required || !a.endpoint.empty()) {
    auto endpoint = parse_endpoint(a.endpoint);
    if (!endpoint) return tl::unexpected(endpoint.error());
    std::tie(node.host, node.port) = *endpoint;
  }
  node.zone = a.zone;
  node.weight = a.weight;
  node.incarnation = a.incarnation;
  static const std::map<std::string, NodeStatus> statuses = {{"ready", NodeStatus::Ready},
                                                             {"draining", NodeStatus::Draining},
                                                             {"not-ready", NodeStatus::NotReady}};
  node.status = statuses.at(a.status);
  for (const auto& label : a.labels) {
    const auto equals = label.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(ErrorCode::InvalidConfig, "an argument is wrong",
                  {{"--label", shown(label, 128), "KEY=VALUE"}});
    }
    node.labels[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return node;
}

void add_looking(CLI::App& app, Arguments& a, Action& action) {
  auto* status = command(app, "status", "What is, what is wrong, and what to do about it",
                         "rollcall status --check || page-somebody");
  status->add_flag("--check", a.check, "Exit with 4 if something needs attention");
  status->callback([&] {
    action.remote = [&](const Commands& c, const Terminal&) { return c.status(a.check); };
  });
  command(app, "members", "The topology: every member, proved by the hash", "rollcall members")
      ->callback(
          [&] { action.remote = [](const Commands& c, const Terminal&) { return c.members(); }; });
  auto* events = command(app, "events", "What operators are told beside the log: holds, standbys",
                         "rollcall events --backlog 100 --count 100");
  events->add_option("--backlog", a.backlog, "How many of the kept events come first")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  events->add_option("--count", a.count, "End after this many; 0: never")->capture_default_str();
  events->callback([&] {
    action.remote = [&](const Commands& c, const Terminal&) {
      return c.events(a.backlog, a.count);
    };
  });
}

void add_watch(CLI::App& app, Arguments& a, Action& action) {
  auto* watch = command(app, "watch", "The event log as a consumer gets it, one line an event",
                        "rollcall --output json watch --bridge remoting --count 10");
  watch->add_option("--bridge", a.bridge, "placement, partition or remoting")
      ->check(CLI::IsMember({"placement", "partition", "remoting"}))
      ->capture_default_str();
  watch->add_option("--consumer", a.watch.consumer,
                    "Name; a stream of the same name is replaced. Default: one of this process");
  watch->add_option("--cluster", a.watch.cluster, "Refuse to watch another cluster");
  watch->add_option("--after", a.after,
                    "Go on after EPOCH:SEQ instead of beginning with a snapshot");
  watch->add_option("--count", a.watch.count, "End after this many lines; 0: never")
      ->capture_default_str();
  watch->add_flag("--bookmarks", a.watch.bookmarks, "Show bookmarks (every 5 s when idle) as well");
  watch->callback([&] {
    action.remote = [&](const Commands& c, const Terminal& terminal) {
      static const std::map<std::string, client::Bridge> bridges = {
          {"placement", client::Bridge::Placement},
          {"partition", client::Bridge::Partition},
          {"remoting", client::Bridge::Remoting}};
      a.watch.bridge = bridges.at(a.bridge);
      if (!a.after.empty()) {
        const auto position = parse_position(a.after);
        if (!position) return usage(terminal, position.error());
        a.watch.after = *position;
      }
      return c.watch(a.watch);
    };
  });
}

void add_provider_reads(CLI::App& providers, Arguments& a, Action& action) {
  command(providers, "list", "All providers: condition, age, which one is active",
          "rollcall providers list")
      ->callback([&] {
        action.remote = [](const Commands& c, const Terminal&) { return c.list_providers(); };
      });
  auto* show = command(providers, "show", "One provider: what is wanted and what is observed",
                       "rollcall providers show consul-a");
  show->add_option("ID", a.id, "Its id")->required();
  show->callback([&] {
    action.remote = [&](const Commands& c, const Terminal&) { return c.show_provider(a.id); };
  });
  command(providers, "kinds", "The kinds that are built in, and their settings",
          "rollcall providers kinds")
      ->callback([&] {
        action.remote = [](const Commands& c, const Terminal&) { return c.list_kinds(); };
      });
}

void add_provider_files(CLI::App& providers, Arguments& a, Action& action) {
  const auto with_file = [&](const char* name, const char* what, const char* example,
                             ExitCode (Commands::*run)(const std::string&, const WriteFlags&)
                                 const) {
    auto* app = command(providers, name, what, example);
    app->add_option("FILE", a.file, "A descriptor as JSON or YAML; - is standard input")
        ->required();
    add_write_flags(app, a, true, true);
    app->callback([&action, &a, run, app] {
      if (app->count("--revision") > 0) a.write.revision = a.revision;
      action.remote = [&a, run](const Commands& c, const Terminal&) {
        return (c.*run)(a.file, a.write);
      };
    });
    return app;
  };
  with_file("add", "Register one provider", "rollcall providers add consul.yaml",
            &Commands::add_provider);
  with_file("update", "Replace the descriptor of one provider; enabled stays if it doesn't say",
            "rollcall providers update consul.yaml --revision 7", &Commands::update_provider);
  with_file("apply", "Make the set what the file says, all at once or not at all",
            "rollcall providers apply providers.yaml --dry-run", &Commands::apply_providers)
      ->add_flag("--prune", a.write.prune, "Remove what was added before and isn't in the file");
}

void add_provider_acts(CLI::App& providers, Arguments& a, Action& action) {
  const auto with_id = [&](const char* name, const char* what, const char* example, bool dry_run) {
    auto* app = command(providers, name, what, example);
    app->add_option("ID", a.id, "Its id")->required();
    add_write_flags(app, a, dry_run, false);
    return app;
  };
  const auto act = [&](CLI::App* app, std::function<ExitCode(const Commands&)> run) {
    app->callback([&action, &a, app, run = std::move(run)] {
      if (app->count("--revision") > 0) a.write.revision = a.revision;
      action.remote = [run](const Commands& c, const Terminal&) { return run(c); };
    });
  };
  act(with_id("remove", "Forget a provider; its members leave only if no other has them",
              "rollcall providers remove file-b", true),
      [&](const Commands& c) { return c.remove_provider(a.id, a.write); });
  act(with_id("enable", "Let it be used again; this also clears a validation hold",
              "rollcall providers enable file-b", false),
      [&](const Commands& c) { return c.enable_provider(a.id, a.write); });
  auto* disable = with_id("disable", "Keep it, but do not use or watch it",
                          "rollcall providers disable file-b --reason 'moving the file'", false);
  disable->add_option("--reason", a.reason, "Why, for whoever looks next")->required();
  act(disable, [&](const Commands& c) { return c.disable_provider(a.id, a.reason, a.write); });
}

void add_node_flags(CLI::App* app, Arguments& a) {
  app->add_option("--label", a.labels, "KEY=VALUE; may be repeated")->take_all();
  app->add_option("--zone", a.zone, "Its zone");
  app->add_option("--weight", a.weight, "Its weight")->capture_default_str();
  app->add_option("--incarnation", a.incarnation, "Which life of it this is");
  app->add_option("--status", a.status, "ready, draining or not-ready")
      ->check(CLI::IsMember({"ready", "draining", "not-ready"}))
      ->capture_default_str();
}

void add_members(CLI::App& app, Arguments& a, Action& action) {
  auto* member = command(app, "member", "One member; join and leave those of an in-memory provider",
                         "rollcall member join n1 10.0.0.1:7000");
  member->require_subcommand(1);
  auto* join = command(*member, "join", "Add a member, or replace the one of that id",
                       "rollcall member join n1 10.0.0.1:7000 --label rack=r1 --zone a");
  join->add_option("ID", a.id, "Its id")->required();
  join->add_option("HOST:PORT", a.endpoint, "Where it listens")->required();
  join->add_option("--provider", a.provider, "Default: the only in-memory provider");
  add_node_flags(join, a);
  // 0 means "not said" in the API, and would become 1.
  join->get_option("--weight")->check(CLI::Range(1u, std::numeric_limits<std::uint32_t>::max()));
  join->callback([&] {
    action.remote = [&](const Commands& c, const Terminal& terminal) {
      const auto node = node_of(a, true);
      return node ? c.join_member(*node, a.provider) : usage(terminal, node.error());
    };
  });
  auto* show = command(*member, "show", "One node: what consumers know, and who lists it",
                       "rollcall member show n1");
  show->add_option("ID", a.id, "Node id")->required();
  show->callback([&] {
    action.remote = [&a](const Commands& c, const Terminal&) { return c.show_member(a.id); };
  });
  auto* leave = command(*member, "leave", "Remove a member", "rollcall member leave n1");
  leave->add_option("ID", a.id, "Its id")->required();
  leave->add_option("--provider", a.provider, "Default: the only in-memory provider");
  leave->callback([&] {
    action.remote = [&](const Commands& c, const Terminal&) {
      return c.leave_member(a.id, a.provider);
    };
  });
}

void add_blocks(CLI::App& app, Arguments& a, Action& action) {
  const auto report = [&](const char* name, const char* what, const char* example,
                          ExitCode (Commands::*run)(const std::string&, const std::string&) const) {
    auto* sub = command(app, name, what, example);
    sub->add_option("NODE", a.id, "Its id")->required();
    sub->add_option("--incarnation", a.incarnation, "Default: the known one");
    sub->callback([&action, &a, run] {
      action.remote = [&a, run](const Commands& c, const Terminal&) {
        return (c.*run)(a.id, a.incarnation);
      };
    });
  };
  report("quarantine", "Block a node on this sidecar, as remoting does", "rollcall quarantine n1",
         &Commands::quarantine);
  report("recover", "Unblock a node with the next confirmed answer that has it",
         "rollcall recover n1", &Commands::recover);
}

void add_switching(CLI::App& app, Arguments& a, Action& action) {
  auto* change = command(app, "switch", "Pin a provider for a while, whatever its priority",
                         "rollcall switch file-b --for 30m");
  auto* id = change->add_option("ID", a.id, "The provider");
  auto* duration = change->add_option("--for", a.duration, "How long; default 10m, at most 24h");
  auto* clear = change->add_flag("--clear", a.clear, "End the pin now");
  clear->excludes(id)->excludes(duration);
  change->callback([&] {
    action.remote = [&](const Commands& c, const Terminal& terminal) {
      if (a.clear) return c.clear_switch();
      if (a.id.empty()) {
        return usage(
            terminal,
            {ErrorCode::InvalidConfig, "switch needs the ID of a provider, or --clear", {}, 0});
      }
      milliseconds pinned{0};
      if (!a.duration.empty()) {
        const auto parsed = parse_duration(a.duration);
        if (!parsed) return usage(terminal, parsed.error());
        pinned = *parsed;
      }
      return c.switch_provider(a.id, pinned);
    };
  });
  command(app, "release-removals", "Let through the removals that the leave guard holds back",
          "rollcall release-removals")
      ->callback([&] {
        action.remote = [](const Commands& c, const Terminal&) { return c.release_removals(); };
      });
  command(app, "drain",
          "End this sidecar in order: the last topology is served for some seconds more",
          "rollcall drain")
      ->callback(
          [&] { action.remote = [](const Commands& c, const Terminal&) { return c.drain(); }; });
}

void add_store(CLI::App& app, Arguments& a, Action& action) {
  auto* store = command(app, "store", "Look at a state directory without a sidecar",
                        "rollcall store verify /var/lib/rollcall");
  store->require_subcommand(1);
  auto* verify =
      command(*store, "verify", "Read every state file as rollcalld would; change nothing",
              "rollcall store verify /var/lib/rollcall");
  verify->add_option("DIR", a.directory, "The state directory")->required();
  verify->callback([&] {
    action.local = [&](const Terminal& terminal) { return verify_store(terminal, a.directory); };
  });
}

// `run` gets the registry's directory and the longest wait, once both are known to be right.
template <class Run>
void act_on_registry(CLI::App* app, Arguments& a, Action& action, Run run) {
  app->add_option("--dir", a.registry, "The registry's directory")->capture_default_str();
  app->callback([&a, &action, run] {
    action.local = [&a, run](const Terminal& terminal) {
      const auto wait = parse_duration(a.timeout);
      if (!wait) return usage(terminal, wait.error());
      return run(terminal, LocalFlags{a.registry, *wait});
    };
  });
}

void add_local(CLI::App& app, Arguments& a, Action& action) {
  auto* local = command(app, "local",
                        "Node processes of this host, which a provider of the kind local follows",
                        "rollcall local list");
  local->require_subcommand(1);
  auto* enrol = command(*local, "register", "Put a process on record, or change its entry",
                        "rollcall local register n1 --pid 4711 --socket /run/n1.sock");
  enrol->add_option("ID", a.id, "The node's id")->required();
  enrol->add_option("--pid", a.pid, "Its process; the entry ends with it")->required();
  enrol->add_option("--socket", a.registration.socket, "Absolute path of its Unix socket")
      ->required();
  enrol->add_option("--version", a.registration.version, "Which version of its program runs");
  enrol->add_option("--address", a.endpoint,
                    "HOST:PORT where it listens as well; default: localhost, and port 0");
  add_node_flags(enrol, a);
  act_on_registry(enrol, a, action, [&a](const Terminal& terminal, const LocalFlags& flags) {
    auto node = node_of(a, false);
    if (!node) return usage(terminal, node.error());
    a.registration.node = std::move(*node);
    return register_local(terminal, flags, a.registration, a.pid);
  });
  act_on_registry(
      command(*local, "list", "Who is on record, and who of them lives; changes nothing",
              "rollcall --output json local list"),
      a, action, list_local);
  auto* remove = command(*local, "remove", "Drop an entry; its process is left alone",
                         "rollcall local remove n1");
  remove->add_option("ID", a.id, "The node's id")->required();
  act_on_registry(remove, a, action, [&a](const Terminal& terminal, const LocalFlags& flags) {
    return remove_local(terminal, flags, a.id);
  });
}

void add_globals(CLI::App& app, Arguments& a) {
  app.add_option("--server", a.server, "unix:PATH or HOST:PORT of rollcalld")
      ->capture_default_str();
  app.add_option("--output", a.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--timeout", a.timeout, "Longest wait for an answer")->capture_default_str();
  app.add_flag("--tls", a.tls.enabled, "Use TLS, trusting the system's authorities");
  app.add_option("--tls-ca", a.tls.ca_file, "Use TLS, trusting this PEM file");
  app.add_option("--tls-cert", a.tls.cert_file, "Client certificate, PEM; with --tls-key");
  app.add_option("--tls-key", a.tls.key_file, "Its key, PEM");
  app.add_option("--tls-server-name", a.tls.server_name, "Name expected in the certificate");
}

ExitCode execute(const Arguments& a, const Action& action, const Terminal& terminal) {
  if (action.local) return action.local(terminal);
  const auto timeout = parse_duration(a.timeout);
  if (!timeout) return usage(terminal, timeout.error());
  client::ChannelOptions options{a.server, a.tls};
  options.tls.enabled = a.tls.enabled || !a.tls.ca_file.empty() || !a.tls.cert_file.empty();
  const auto channel = client::Channel::open(options);
  if (!channel) return usage(terminal, channel.error());
  return action.remote(Commands(terminal, options, *channel, *timeout), terminal);
}

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err,
        const client::Surroundings& surroundings) {
  Arguments a;
  a.server = client::default_server(surroundings);
  a.registry = client::default_state_dir(surroundings) + "/local";
  Action action;
  CLI::App app(
      "rollcall: looks at and steers rollcalld, the sidecar that knows who is in the cluster",
      "rollcall");
  app.footer(kFooter);
  app.fallthrough();
  app.require_subcommand(1);
  add_globals(app, a);
  add_looking(app, a, action);
  add_watch(app, a, action);
  auto* providers = command(app, "providers", "Register, change and inspect discovery providers",
                            "rollcall providers list");
  providers->require_subcommand(1);
  add_provider_reads(*providers, a, action);
  add_provider_files(*providers, a, action);
  add_provider_acts(*providers, a, action);
  add_members(app, a, action);
  add_blocks(app, a, action);
  add_switching(app, a, action);
  add_store(app, a, action);
  add_local(app, a, action);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help
      app.exit(error, out, err);
      return static_cast<int>(Terminal{out, err, false}.flush());
    }
    const bool json = a.output == "json";
    const auto rest = app.remaining(true);
    const std::string what = rest.empty() ? std::string(error.what())
                                          : "\"" + shown(rest.front()) + "\" is not known here";
    const ProvisioningError refused{ErrorCode::InvalidConfig, what + " (see --help)", {}, 0};
    return static_cast<int>(usage(Terminal{out, err, json}, refused));
  }
  return static_cast<int>(execute(a, action, Terminal{out, err, a.output == "json"}));
}

}  // namespace rollcall::cli
