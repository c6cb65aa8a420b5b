package io.lychee.rerank.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What README.md, or a page of docs, tells its reader to type. */
record Readme(String text) {

    private static final Pattern BLOCK = Pattern.compile("(?ms)^```\\w*\n(.*?)^```$");

    /** The code blocks of a section, headings of any depth. */
    List<String> blocks(String section) {
        return BLOCK.matcher(section(section))
                .results()
                .map(block -> block.group(1))
                .toList();
    }

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
        return new Readme(section(section))
                .lines().stream()
                        .filter(line -> line.startsWith(start))
                        .findFirst()
                        .orElseThrow(() -> new AssertionError("no line in " + section + " starts with " + start));
    }

    private String section(String name) {
        Matcher found = Pattern.compile("(?ms)^##+ " + Pattern.quote(name) + "$.*?(?=^##|\\z)")
                .matcher(text);
        if (!found.find()) {
            throw new AssertionError("the page has no section " + name);
        }
        return found.group();
    }
}
