package io.lychee.rerank.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lychee.rerank.config.ConfigException;
import io.lychee.rerank.engine.MachineCheck;
import io.lychee.rerank.torch.TorchRuntime;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** {@code ./lychee SUBCOMMAND}. Exit codes: 0 done, 1 failed, 2 wrong use. */
@Command(
        name = "lychee",
        description = "Reranks candidate lists of text and images with Qwen2.5-VL or Qwen3-VL, as a stream.",
        version = "lychee-rerank 0.1.0",
        mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT,
        sortOptions = false,
        footer = "%nBenchmarks: ./lychee bench --help",
        usageHelpAutoWidth = true,
        subcommands = {
            DemoCommand.class,
            UpCommand.class,
            PullCommand.class,
            RerankCommand.class,
            JobCommand.class,
            ServeCommand.class,
            ProduceCommand.class,
            ConsumeCommand.class,
            EvaluateCommand.class,
            VerifyCheckpointCommand.class,
            DoctorCommand.class,
            ModelsCommand.class,
        })
public final class Main implements Runnable {

    @Option(
            names = {"-v", "--verbose"},
            scope = ScopeType.INHERIT,
            description = "Logs at INFO, not only warnings.")
    @SuppressWarnings("UnusedVariable") // for the help; read before anything is parsed, see configureLogging
    private boolean verbose;

    @Option(names = "--stacktrace", scope = ScopeType.INHERIT, description = "Prints the stack trace of an error.")
    private boolean stacktrace;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a subcommand is missing");
    }

    public static void main(String[] args) {
        start(args);
    }

    /** Runs a command, of this class or one of {@code more}, and ends the process with its exit code. */
    public static void start(String[] args, Object... more) {
        printUtf8();
        TempFolder.own();
        System.exit(run(List.of(more), args));
    }

    /** Prints UTF-8 in any locale, and warns about file names, which only the locale can change. */
    private static void printUtf8() {
        for (String key : new String[] {"stdout", "stderr", "sun.stdout", "sun.stderr"}) {
            System.setProperty(key + ".encoding", "UTF-8"); // for picocli
        }
        System.setOut(utf8(FileDescriptor.out));
        System.setErr(utf8(FileDescriptor.err));
        String names = System.getProperty("sun.jnu.encoding", "UTF-8");
        if (!names.equalsIgnoreCase("UTF-8")) {
            System.err.println("lychee: arguments and file names are read as " + names
                    + ", so that only ASCII ones are what they were; expected a UTF-8 locale, such as LC_ALL=C.UTF-8");
        }
    }

    private static PrintStream utf8(FileDescriptor descriptor) {
        return new PrintStream(new BufferedOutputStream(new FileOutputStream(descriptor)), true, UTF_8);
    }

    /** @return the exit code */
    static int run(String... args) {
        return run(List.of(), args);
    }

    static int run(List<Object> more, String... args) {
        configureLogging(args);
        // printed numbers can be put into a configuration, in any language of the machine
        Locale.setDefault(Locale.Category.FORMAT, Locale.ROOT);
        TorchRuntime.keepOffline();
        Main main = new Main();
        try {
            MachineCheck.requireOpenFiles();
        } catch (ConfigException e) {
            return main.report(e);
        }
        CommandLine commands = new CommandLine(main);
        more.forEach(commands::addSubcommand);
        return commands.setCaseInsensitiveEnumValuesAllowed(true)
                .setExecutionExceptionHandler((error, commandLine, parsed) -> main.report(error))
                .execute(args);
    }

    private int report(Exception error) {
        Throwable cause = cause(error);
        boolean expected = cause instanceof ConfigException;
        System.err.println("lychee: " + (expected ? cause.getMessage() : cause.toString()));
        if (stacktrace) {
            error.printStackTrace();
        } else if (!expected) {
            System.err.println("lychee: --stacktrace shows where it came from, --verbose what led to it");
        }
        return 1;
    }

    /** Returns the configuration error inside wrappers, or the innermost cause. */
    private static Throwable cause(Throwable error) {
        Throwable cause = error;
        while (!(cause instanceof ConfigException) && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    private static void configureLogging(String... args) {
        boolean verbose = Arrays.stream(args).anyMatch(a -> a.equals("-v") || a.equals("--verbose"));
        System.setProperty("lychee.log.level", verbose ? "INFO" : "WARN");
        Path file = home().resolve("conf/log4j2.properties");
        if (System.getProperty("log4j2.configurationFile") == null && Files.exists(file)) {
            System.setProperty("log4j2.configurationFile", file.toUri().toString());
        }
    }

    /** Returns the folder of the launcher, with {@code conf/} and {@code demo/} in it. */
    static Path home() {
        return Path.of(System.getProperty("lychee.home", "")).toAbsolutePath();
    }
}
