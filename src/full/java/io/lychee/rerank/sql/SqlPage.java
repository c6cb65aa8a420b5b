package io.lychee.rerank.sql;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/** The statements of docs/sql.md. */
public final class SqlPage {

    private static final Pattern BLOCK = Pattern.compile("```sql\n(.+?)```", Pattern.DOTALL);
    private static final Path DEMO = Path.of("demo").toAbsolutePath();

    private SqlPage() {}

    /** Returns them in their order, without semicolons. */
    public static List<String> statements() throws IOException {
        return BLOCK.matcher(Files.readString(Path.of("docs/sql.md")))
                .results()
                .flatMap(block -> Arrays.stream(block.group(1).split(";\n", -1)))
                .map(String::strip)
                .filter(statement -> !statement.isEmpty())
                .toList();
    }

    /** Puts the demo's checkpoint and pictures and a broker in place of the reader's. */
    public static String here(String statement, String broker) {
        return statement
                .replace("localhost:9092", broker)
                .replace("'/models/lychee-rerank-mm'", "'" + DEMO.resolve("checkpoint") + "', 'model.device' = 'cpu'")
                .replace("'/data/pictures'", "'" + DEMO + "'");
    }
}
