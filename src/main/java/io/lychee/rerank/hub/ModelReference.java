package io.lychee.rerank.hub;

import io.lychee.rerank.config.ConfigException;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Names a model of a hub at a revision: {@code hf:ORG/NAME@REVISION}.
 *
 * @param id ORG/NAME
 * @param revision a branch, a tag or a commit
 */
public record ModelReference(Hub hub, String id, String revision) {

    private static final Pattern FORM =
            Pattern.compile("(?<hub>hf|modelscope):(?<id>[\\w.-]{1,96}/[\\w.-]{1,96})(@(?<revision>[\\w./-]{1,200}))?");

    /** The hubs, each with its prefix and its default branch. */
    public enum Hub {
        HUGGING_FACE("hf", "main"),
        MODELSCOPE("modelscope", "master");

        final String prefix;
        final String branch;

        Hub(String prefix, String branch) {
            this.prefix = prefix;
            this.branch = branch;
        }
    }

    /** Tells a reference from a directory, by its prefix. */
    public static boolean is(String checkpoint) {
        return Stream.of(Hub.values()).anyMatch(hub -> checkpoint.startsWith(hub.prefix + ":"));
    }

    /** @throws ConfigException when it has another form */
    public static ModelReference parse(String reference) {
        Matcher parts = FORM.matcher(reference);
        if (!parts.matches() || !isSafe(parts.group("id")) || parts.group("id").contains("--")) {
            throw new ConfigException(
                    "the model is %s; expected hf:ORG/NAME or modelscope:ORG/NAME, with @REVISION at will"
                            .formatted(reference));
        }
        Hub hub = Stream.of(Hub.values())
                .filter(h -> h.prefix.equals(parts.group("hub")))
                .findFirst()
                .orElseThrow();
        String revision = parts.group("revision");
        return new ModelReference(hub, parts.group("id"), hub.branch).at(revision == null ? hub.branch : revision);
    }

    /** @throws ConfigException when the revision can't name a file below {@code refs} */
    public ModelReference at(String other) {
        if (!other.matches("[\\w./-]{1,200}") || !isSafe(other)) {
            throw new ConfigException("the revision of %s:%s is %s; expected a branch, a tag or a commit"
                    .formatted(hub.prefix, id, other));
        }
        return new ModelReference(hub, id, other);
    }

    private static boolean isSafe(String path) {
        return !path.contains("..")
                && Arrays.stream(path.split("/", -1))
                        .noneMatch(part -> part.isEmpty() || part.startsWith(".") || part.startsWith("-"));
    }

    @Override
    public String toString() {
        return hub.prefix + ":" + id + (revision.equals(hub.branch) ? "" : "@" + revision);
    }
}
