package io.lychee.rerank.job;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.GlobalConfiguration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * A Flink cluster of processes with what {@code mvn package} has made: a distribution's lib/ (its jars from this test's
 * class path, as Maven Central has no distribution), {@code target/cluster}, and the files of {@code conf/flink}. Does
 * what Flink's shell scripts do.
 */
final class NativeCluster implements AutoCloseable {

    static final Path BUILT = Path.of("target/cluster").toAbsolutePath();
    static final Path JOB_JAR = BUILT.resolve("lychee-rerank-job.jar");

    /** Of the class path, what it holds in opt/ for SQL. */
    private static final Pattern SQL_CLIENT = Pattern.compile("flink-sql-(client|gateway|gateway-api)-\\d.*\\.jar");

    /** Of the class path, Flink's connector for Kafka. */
    private static final Pattern SQL_KAFKA =
            Pattern.compile("(flink-connector-(base|kafka)|kafka-clients)-\\d.*\\.jar");

    /** Of the class path, what Flink's distribution holds in lib/, packed into fewer jars there. */
    private static final Pattern FLINK = Pattern.compile(
            "(flink-(annotations|cep|clients|container|core|core-api|datastream|datastream-api|file-sink-common|json"
                    + "|runtime|runtime-web|rpc-.*|shaded-.*|streaming-java|queryable-state-client-java|hadoop-fs"
                    + "|metrics-core|connector-datagen|table-.*)|kryo|reflectasm|objenesis|minlog|commons-.*|RoaringBitmap|snakeyaml-engine"
                    + "|jsr305|javassist|async-profiler|slf4j-api|log4j-.*|lz4-java|snappy-java)-\\d[^-]*(-jre)?(-[\\dG].*)?"
                    + "\\.jar");

    private static final Path JAVA = Path.of(System.getProperty("java.home"), "bin");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private final Path folder;
    private final List<Process> processes = new ArrayList<>();
    private final int restPort = freePort();
    private final int rpcPort = freePort();
    private final int zooKeeperPort = freePort();

    NativeCluster(Path folder) {
        this.folder = folder;
    }

    /** What an unpacked distribution has in its lib/. */
    static List<Path> distribution() {
        return classPath(FLINK);
    }

    private static List<Path> classPath(Pattern jars) {
        return classPath().stream()
                .filter(jar -> jars.matcher(jar.getFileName().toString()).matches())
                .toList();
    }

    static List<Path> classPath() {
        return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(Path::of)
                .filter(Files::isRegularFile)
                .toList();
    }

    /**
     * Copies what is not on the class path. This version of the plugin doesn't ask for parents, which Flink's GPU
     * plugin lacks on Maven Central.
     */
    static void copyArtifact(String artifact, Path folder) throws Exception {
        Process copy = new ProcessBuilder(
                        "mvn",
                        "-B",
                        "-q",
                        "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy",
                        "-Dartifact=" + artifact,
                        "-DoutputDirectory=" + folder)
                .directory(folder.toFile())
                .inheritIO()
                .start();
        if (copy.waitFor() != 0) {
            throw new IllegalStateException(artifact + " can't be copied");
        }
    }

    /** A folder like an unpacked distribution, with the engine and the CPU's natives in its lib/. */
    Path home(String name) throws IOException {
        Path home = folder.resolve(name);
        Path lib = Files.createDirectories(home.resolve("lib"));
        link(distribution(), lib);
        for (String ours : List.of("lib", "lib-cpu")) {
            try (Stream<Path> jars = Files.list(BUILT.resolve(ours))) {
                for (Path jar : jars.toList()) {
                    Files.deleteIfExists(lib.resolve(jar.getFileName()));
                    Files.createSymbolicLink(lib.resolve(jar.getFileName()), jar);
                }
            }
        }
        Files.createDirectories(home.resolve("usrlib"));
        Files.createDirectories(home.resolve("plugins"));
        return home;
    }

    private static void link(List<Path> jars, Path folder) throws IOException {
        for (Path jar : jars) {
            Files.createSymbolicLink(folder.resolve(jar.getFileName()), jar);
        }
    }

    /** The same, with SQL's client and Flink's connector for Kafka. */
    Path sqlHome(String name) throws Exception {
        Path home = home(name);
        link(classPath(SQL_KAFKA), home.resolve("lib"));
        Path opt = Files.createDirectories(home.resolve("opt"));
        link(classPath(SQL_CLIENT), opt);
        copyArtifact("org.apache.flink:flink-python:2.3.0", opt); // without which the client does not start
        return home;
    }

    /** Makes {@code conf/config.yaml} of files of conf/flink, as their first lines say. */
    Path configure(Path home, String... files) throws IOException {
        StringBuilder yaml = new StringBuilder();
        for (String file : files) {
            yaml.append(Files.readString(Path.of("conf/flink", file)));
        }
        String here = yaml.toString()
                .replace("file:///tmp/lychee-rerank/", folder.toUri().toString())
                .replace("localhost:2181", "localhost:" + zooKeeperPort)
                .concat("rest.port: %d%njobmanager.rpc.port: %d%n".formatted(restPort, rpcPort));
        Path conf = Files.createDirectories(home.resolve("conf"));
        Files.writeString(conf.resolve("config.yaml"), here);
        return home;
    }

    void zooKeeper(Path home) throws IOException {
        Path file =
                Files.writeString(folder.resolve("zoo.cfg"), """
                dataDir=%s
                clientPort=%d
                clientPortAddress=localhost
                admin.enableServer=false
                """.formatted(folder.resolve("zookeeper"), zooKeeperPort));
        Process unused = java(
                "zookeeper",
                home,
                List.of("-Xmx256m"),
                List.of(
                        "org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer",
                        "--zkConfigFile",
                        file.toString(),
                        "--peerId",
                        "1"));
    }

    Process jobManager(Path home) throws Exception {
        return java(
                "jobmanager",
                home,
                resources(home, "GET_JM_RESOURCE_PARAMS").get(0),
                List.of(
                        "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
                        "--configDir",
                        conf(home)));
    }

    /** As {@code standalone-job.sh} does: the job of the jar in usrlib/. */
    Process application(Path home, List<String> arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint",
                "--configDir",
                conf(home),
                "--job-classname",
                RerankJob.class.getName(),
                // what follows is the job's: Flink has a -D of its own
                "--"));
        command.addAll(arguments);
        return java(
                "jobmanager", home, resources(home, "GET_JM_RESOURCE_PARAMS").get(0), command);
    }

    Process taskManager(String name, Path home, String... keys) throws Exception {
        List<String> dynamic = new ArrayList<>();
        for (String key : keys) {
            dynamic.addAll(List.of("-D", key));
        }
        List<List<String>> resources = resources(home, "GET_TM_RESOURCE_PARAMS", dynamic.toArray(String[]::new));
        List<String> command = new ArrayList<>(
                List.of("org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "--configDir", conf(home)));
        command.addAll(resources.get(1));
        command.addAll(dynamic);
        command.addAll(List.of("-D", "taskmanager.resource-id=" + name, "-D", "taskmanager.host=localhost"));
        return java(name, home, resources.get(0), command);
    }

    /** {@code flink run}; what it prints ends up in {@code submit.log}. */
    int run(Path home, List<String> options, List<String> arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("org.apache.flink.client.cli.CliFrontend", "run"));
        command.addAll(options);
        command.add(JOB_JAR.toString());
        command.addAll(arguments);
        return java("submit", home, List.of("-Xmx256m"), command).waitFor();
    }

    /** {@code sql-client.sh -f}; what it prints ends up in {@code sql.log}. */
    int sql(Path home, String statements) throws Exception {
        Path script = Files.writeString(folder.resolve("script.sql"), statements);
        List<String> command = List.of(
                "org.apache.flink.table.client.SqlClient",
                "embedded",
                "-f",
                script.toString(),
                "-hist",
                folder.resolve("history").toString());
        return java("sql", home, List.of("-Xmx512m"), command).waitFor();
    }

    /** Flags of the JVM, then keys of the process, by Flink's memory model. */
    private List<List<String>> resources(Path home, String what, String... keys) throws Exception {
        List<String> command = new ArrayList<>(
                List.of("org.apache.flink.runtime.util.bash.BashJavaUtils", what, "--configDir", conf(home)));
        command.addAll(List.of(keys));
        Path log = log("resources-" + processes.size());
        Process process = java("resources-" + processes.size(), home, List.of("-Xmx128m"), command);
        if (process.waitFor() != 0) {
            throw new IllegalStateException(Files.readString(log));
        }
        String mark = "BASH_JAVA_UTILS_EXEC_RESULT:";
        return Files.readAllLines(log).stream()
                .filter(line -> line.startsWith(mark))
                .map(line -> Arrays.asList(line.substring(mark.length()).strip().split(" +", -1)))
                .toList();
    }

    private Process java(String name, Path home, List<String> flags, List<String> arguments) throws IOException {
        Configuration config = GlobalConfiguration.loadConfiguration(conf(home));
        List<String> command = new ArrayList<>(List.of(JAVA.resolve("java").toString()));
        command.addAll(flags);
        command.addAll(List.of(config.get(CoreOptions.FLINK_JVM_OPTIONS).split(" ", -1)));
        command.addAll(List.of(
                "-XX:+UseSerialGC",
                "-Dlog4j2.configurationFile="
                        + Path.of("conf/log4j2.properties").toAbsolutePath(),
                "-Dlychee.flink.log.level=WARN",
                "-cp",
                home.resolve("lib") + "/*"
                        + (name.equals("sql") ? File.pathSeparator + home.resolve("opt") + "/*" : "")));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(home.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log(name).toFile()));
        builder.environment()
                .putAll(Map.of(
                        "FLINK_HOME", home.toString(),
                        "FLINK_CONF_DIR", conf(home),
                        "FLINK_LIB_DIR", home.resolve("lib").toString(),
                        "FLINK_PLUGINS_DIR", home.resolve("plugins").toString()));
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    /** Runs a tool of the JDK and returns what it prints. */
    static String tool(String name, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(JAVA.resolve(name).toString()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    /** An answer of the JobManager's REST API; asks again until there is one. */
    JsonNode rest(String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:" + restPort + path))
                .build();
        for (int i = 0; ; i++) {
            try {
                return new ObjectMapper()
                        .readTree(HTTP.send(request, HttpResponse.BodyHandlers.ofString())
                                .body());
            } catch (IOException e) {
                if (i == 240) {
                    throw e;
                }
                pause();
            }
        }
    }

    void cancel(String job) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://localhost:" + restPort + "/jobs/" + job))
                .method("PATCH", HttpRequest.BodyPublishers.noBody())
                .build();
        HttpResponse<String> unused = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        while (!rest("/jobs/" + job).path("state").asText().equals("CANCELED")) {
            pause();
        }
    }

    static void pause() throws InterruptedException {
        TimeUnit.MILLISECONDS.sleep(250);
    }

    Path log(String name) {
        return folder.resolve(name + ".log");
    }

    private static String conf(Path home) {
        return home.resolve("conf").toString();
    }

    @Override
    public void close() {
        processes.forEach(Process::destroyForcibly);
        processes.forEach(process -> process.onExit().join());
    }

    private static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
