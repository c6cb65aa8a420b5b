package io.lychee.rerank.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Path;

/** One bash that commands are typed into, with its background jobs; all of them are killed when it is closed. */
final class Shell implements AutoCloseable {

    private static final String MARK = "@@ended ";

    private final Process process;
    private final Writer in;
    private final BufferedReader out;

    /** @param folder where the commands are typed */
    Shell(Path folder) throws IOException {
        ProcessBuilder builder =
                new ProcessBuilder("bash").directory(folder.toFile()).redirectErrorStream(true);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("LYCHEE_JAVA_OPTS", "-Xmx1g -Dai.djl.offline=true");
        process = builder.start();
        in = process.outputWriter();
        out = process.inputReader();
    }

    /** Runs lines; fails when the last one does, or when they don't print a text. */
    void run(String lines, String... printed) throws IOException {
        in.write(lines + "\necho \"" + MARK + "$?\"\n");
        in.flush();
        StringBuilder text = new StringBuilder();
        while (true) {
            String line = out.readLine();
            assertThat(line).as("%s: %s", lines, text).isNotNull();
            int mark = line.indexOf(MARK);
            if (mark >= 0) {
                assertThat(line.substring(mark)).as("%s: %s", lines, text).isEqualTo(MARK + "0");
                break;
            }
            text.append(line).append('\n');
        }
        System.out.println("$ " + lines.strip() + "\n" + text);
        assertThat(printed).allSatisfy(part -> assertThat(text).contains(part));
    }

    /** Background jobs that run. */
    long jobs() {
        return process.children().filter(ProcessHandle::isAlive).count();
    }

    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().onExit().join();
    }
}
