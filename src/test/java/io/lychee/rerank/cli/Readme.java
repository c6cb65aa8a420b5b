package io.lychee.rerank.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What README.md tells its reader to type. */
record Readme(String text) {

    private static final Pattern BLOCK = Pattern.compile("(?ms)^```\\w*\n(.*?)^```$");

    /** @param home the folder it lies in */
    static Readme of(Path home) throws IOException {
        return new Readme(Files.readString(home.resolve("README.md")));
    }

    /** All lines of all code blocks. */
    List<String> lines() {
        return BLOCK.matcher(text)
                .results()
                .flatMap(block -> block.group(1).lines())
                .toList();
    }

    /** The first line of a section's code blocks that starts so. */
    String line(String section, String start) {
        Matcher found = Pattern.compile("(?ms)^## " + Pattern.quote(section) + "$.*?(?=^## |\\z)")
                .matcher(text);
        if (!found.find()) {
            throw new AssertionError("README.md has no section " + section);
        }
        return new Readme(found.group())
                .lines().stream()
                        .filter(line -> line.startsWith(start))
                        .findFirst()
                        .orElseThrow(() -> new AssertionError("no line in " + section + " starts with " + start));
    }
}
