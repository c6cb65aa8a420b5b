package io.lychee.rerank.ranking;

import io.lychee.rerank.config.ConfigException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Adjusts scores by business rules: boosts raise the value sorted by, drops take candidates out. Both look at the
 * network's score and at the candidate's attributes; no rule applies to a candidate without score. Immutable.
 *
 * <p>Written {@code NAME: CONDITION and … -> drop} or {@code … -> boost AMOUNT}, with conditions such as {@code score <
 * 0.4}, {@code sales > 1000} or {@code brand = acme}. A condition on an attribute that a candidate lacks does not hold,
 * nor does a comparison by size with one that is no number.
 */
public record Rules(List<Rule> rules) implements Serializable {

    public static final Rules NONE = new Rules(List.of());

    private static final Pattern RULE =
            Pattern.compile("\\s*([A-Za-z0-9._-]+)\\s*:\\s*(.+?)\\s*->\\s*(drop|boost\\s+(\\S+))\\s*");
    private static final Pattern CONDITION = Pattern.compile("([^\\s<>=!]+)\\s*(<=|>=|!=|<|>|=)\\s*(.+)");

    /** @param boost added to the value sorted by; null drops the candidate */
    record Rule(
            String name,
            List<Condition> conditions,
            @Nullable Double boost) implements Serializable {}

    /** @param number the value as a number, or null where it is text */
    record Condition(
            String subject,
            String operator,
            String value,
            @Nullable Double number) implements Serializable {

        boolean holds(double score, Map<String, String> attributes) {
            if (subject.equals("score")) {
                return number != null && compare(score, number);
            }
            String attribute = attributes.get(subject);
            if (attribute == null) {
                return false;
            }
            Double attributeNumber = parseNumber(attribute);
            if (number != null && attributeNumber != null) {
                return compare(attributeNumber, number);
            }
            return switch (operator) {
                case "=" -> attribute.equals(value);
                case "!=" -> !attribute.equals(value);
                default -> false;
            };
        }

        private boolean compare(double left, double right) {
            return switch (operator) {
                case "<" -> left < right;
                case "<=" -> left <= right;
                case ">" -> left > right;
                case ">=" -> left >= right;
                case "=" -> left == right;
                default -> left != right;
            };
        }
    }

    public Rules {
        rules = List.copyOf(rules);
    }

    /** @throws ConfigException that names the text that is no rule, and what was expected */
    public static Rules parse(List<String> texts) {
        return new Rules(
                texts.stream().filter(text -> !text.isBlank()).map(Rules::rule).toList());
    }

    private static Rule rule(String text) {
        Matcher rule = RULE.matcher(text);
        if (!rule.matches()) {
            throw new ConfigException("rules: \"" + text.strip()
                    + "\" is no rule; expected NAME: CONDITION and … -> drop, or -> boost AMOUNT");
        }
        String name = rule.group(1);
        String amount = rule.group(4);
        Double boost = amount == null ? null : parseNumber(amount);
        if (amount != null && boost == null) {
            throw new ConfigException("rules: rule " + name + " boosts by \"" + amount + "\"; expected a number");
        }
        List<Condition> conditions = new ArrayList<>();
        for (String condition : rule.group(2).split("\\s+and\\s+", -1)) {
            conditions.add(condition(name, condition));
        }
        return new Rule(name, conditions, boost);
    }

    private static Condition condition(String rule, String text) {
        Matcher condition = CONDITION.matcher(text.strip());
        if (!condition.matches()) {
            throw new ConfigException("rules: rule " + rule + " has the condition \"" + text
                    + "\"; expected score or an attribute, one of < <= > >= = !=, and a value");
        }
        Double number = parseNumber(condition.group(3));
        if (condition.group(1).equals("score") && number == null) {
            throw new ConfigException(
                    "rules: rule " + rule + " compares score with \"" + condition.group(3) + "\"; expected a number");
        }
        return new Condition(condition.group(1), condition.group(2), condition.group(3), number);
    }

    private static @Nullable Double parseNumber(String text) {
        try {
            double number = Double.parseDouble(text.strip());
            return Double.isFinite(number) ? number : null;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** Names the attributes that conditions look at. */
    public Set<String> attributes() {
        return rules.stream()
                .flatMap(rule -> rule.conditions().stream())
                .map(Condition::subject)
                .filter(subject -> !subject.equals("score"))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /**
     * Outcome of all rules for one candidate.
     *
     * @param rankValue the score after boosts; null without a score
     * @param applied names of the rules that applied
     */
    record Verdict(@Nullable Double rankValue, boolean dropped, List<String> applied) {}

    Verdict judge(@Nullable Float score, Map<String, String> attributes) {
        if (score == null) {
            return new Verdict(null, false, List.of());
        }
        double rankValue = score;
        boolean dropped = false;
        List<String> applied = new ArrayList<>();
        for (Rule rule : rules) {
            if (rule.conditions().stream().allMatch(condition -> condition.holds(score, attributes))) {
                applied.add(rule.name());
                dropped |= rule.boost() == null;
                rankValue += rule.boost() == null ? 0 : rule.boost();
            }
        }
        return new Verdict(rankValue, dropped, applied);
    }
}
