package io.lychee.rerank.scoring;

import java.util.List;
import java.util.stream.Stream;

/** One forward of the network: for each of its lists the shared prefix once, then candidates. */
public record Pass(List<Group> groups) {

    /** Candidates of one list, or a slice of them, behind the prefix they share. */
    public record Group(PromptPart prefix, List<PromptPart> candidates) {

        public Group {
            candidates = List.copyOf(candidates);
            if (candidates.isEmpty()) {
                throw new IllegalArgumentException("a group without candidates");
            }
        }

        /** Tokens the language model sees: the prefix once, and each candidate. */
        public int tokens() {
            return prefix.tokens().length
                    + candidates.stream().mapToInt(c -> c.tokens().length).sum();
        }
    }

    public Pass {
        groups = List.copyOf(groups);
        if (groups.isEmpty()) {
            throw new IllegalArgumentException("a pass without groups");
        }
    }

    /** The same candidates in two passes, in order; only where there is more than one. */
    List<Pass> halves() {
        int half = groups.size() / 2;
        if (half > 0) {
            return List.of(new Pass(groups.subList(0, half)), new Pass(groups.subList(half, groups.size())));
        }
        Group group = groups.get(0);
        int candidates = group.candidates().size() / 2;
        return Stream.of(
                        group.candidates().subList(0, candidates),
                        group.candidates()
                                .subList(candidates, group.candidates().size()))
                .map(part -> new Pass(List.of(new Group(group.prefix(), part))))
                .toList();
    }

    /** Tokens the language model sees. */
    public int tokens() {
        return groups.stream().mapToInt(Group::tokens).sum();
    }

    /** Of these, tokens of images. */
    int visionTokens() {
        return groups.stream()
                .mapToInt(g -> g.prefix().visionTokens()
                        + g.candidates().stream()
                                .mapToInt(PromptPart::visionTokens)
                                .sum())
                .sum();
    }

    /** Tokens it would hold besides, had each candidate its own prefix. */
    int prefixTokensSaved() {
        return groups.stream()
                .mapToInt(g -> g.prefix().tokens().length * (g.candidates().size() - 1))
                .sum();
    }

    /** How many scores it yields. */
    public int candidates() {
        return groups.stream().mapToInt(g -> g.candidates().size()).sum();
    }

    /** Images in it, each as often as it occurs. */
    int images() {
        return groups.stream()
                .flatMap(g -> Stream.concat(Stream.of(g.prefix()), g.candidates().stream()))
                .mapToInt(segment -> segment.images().size())
                .sum();
    }
}
