package io.lychee.rerank.scoring;

import java.util.List;
import java.util.stream.Stream;

/** One forward pass of the network: for each of its lists the shared prefix once, then candidates. */
public record Pass(List<Group> groups) {

    /** Candidates of one list, or some of them, behind the prefix they share. */
    public record Group(PromptPart prefix, List<PromptPart> candidates) {

        public Group {
            candidates = List.copyOf(candidates);
            if (candidates.isEmpty()) {
                throw new IllegalArgumentException("a group without candidates");
            }
        }

        /** Counts tokens of the language model: the prefix once, and each candidate. */
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

    /** Splits two or more candidates into two passes, in order. */
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

    /** Counts tokens of the language model. */
    public int tokens() {
        return groups.stream().mapToInt(Group::tokens).sum();
    }

    /** Counts tokens of images. */
    int visionTokens() {
        return groups.stream()
                .mapToInt(g -> g.prefix().visionTokens()
                        + g.candidates().stream()
                                .mapToInt(PromptPart::visionTokens)
                                .sum())
                .sum();
    }

    /** Counts tokens saved by prefix sharing. */
    int prefixTokensSaved() {
        return groups.stream()
                .mapToInt(g -> g.prefix().tokens().length * (g.candidates().size() - 1))
                .sum();
    }

    /** Counts the scores it yields. */
    public int candidates() {
        return groups.stream().mapToInt(g -> g.candidates().size()).sum();
    }

    /** Counts images, each as often as it occurs. */
    int images() {
        return groups.stream()
                .flatMap(g -> Stream.concat(Stream.of(g.prefix()), g.candidates().stream()))
                .mapToInt(part -> part.images().size())
                .sum();
    }
}
