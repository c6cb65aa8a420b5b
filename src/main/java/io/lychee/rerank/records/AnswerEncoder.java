package io.lychee.rerank.records;

import static io.lychee.rerank.wire.Fields.get;

import io.lychee.rerank.config.OutputFormat;
import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.ListStatus;
import io.lychee.rerank.domain.RankedCandidate;
import io.lychee.rerank.domain.Reason;
import io.lychee.rerank.domain.RerankedList;
import io.lychee.rerank.domain.Unicode;
import io.lychee.rerank.kafka.Headers;
import io.lychee.rerank.kafka.OutputRecord;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.wire.Fields;
import io.lychee.rerank.wire.RerankedListCodec;
import io.lychee.rerank.wire.WireSchema;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.avro.generic.GenericRecord;

/**
 * Encodes answers as records. An answer that would not fit {@code kafka.max-record-bytes} loses, one after the other
 * until it fits: details and rules of its candidates, {@code left_out}, attributes of candidates, its own attributes,
 * the end of its results; {@code shortened} says so. Headers that take more than half of it are not carried over. Safe
 * for any thread.
 */
public final class AnswerEncoder {

    /** Names the header with the key that a list came with, where that was not the request id. */
    private static final String KEY_HEADER = "lychee.key";

    private static final int SHORT_TEXT = 40;

    private record Loss(String what, Consumer<GenericRecord> step) {}

    private static final List<Loss> LOSSES = List.of(
            new Loss(
                    "details and rules of candidates",
                    answer -> eachCandidate(answer, candidate -> {
                        candidate.put("detail", null);
                        candidate.put("rules", List.of());
                    })),
            new Loss("left_out", answer -> answer.put("left_out", List.of())),
            new Loss(
                    "attributes of candidates",
                    answer -> eachCandidate(answer, candidate -> candidate.put("attributes", Map.of()))),
            new Loss("attributes", answer -> answer.put("attributes", Map.of())));

    private final OutputFormat format;
    private final int maxRecordBytes;
    private final int budget;

    public AnswerEncoder(RerankConfig.Kafka kafka) {
        this(kafka.outputFormat(), kafka.maxRecordBytes());
    }

    public AnswerEncoder(OutputFormat format, int maxRecordBytes) {
        this.format = format;
        this.maxRecordBytes = maxRecordBytes;
        this.budget = OutputRecord.budget(maxRecordBytes);
    }

    /**
     * Encodes the answer to {@code origin}: its headers are carried over, its key goes into the header
     * {@code lychee.key} where it is not the request id.
     */
    public OutputRecord encode(RerankedList answer, SourceRecord origin) {
        byte[] key = answer.requestId().getBytes(StandardCharsets.UTF_8);
        Headers headers = origin.headers();
        if (origin.key != null && !Arrays.equals(origin.key, key)) {
            headers = headers.with(KEY_HEADER, origin.key);
        }
        List<String> lost = new ArrayList<>();
        if (headers.size() > budget / 2) {
            headers = Headers.NONE;
            lost.add("headers");
        }
        OutputRecord out = new OutputRecord();
        out.key = key;
        out.headerNames = headers.names();
        out.headerValues = headers.values();
        out.position = origin.position;
        count(answer, out);
        out.value = fit(RerankedListCodec.toRecord(answer), lost, budget - out.size());
        return out;
    }

    /** Counts before the answer is shortened. */
    private static void count(RerankedList answer, OutputRecord out) {
        out.unscoredList = answer.status() == ListStatus.UNSCORED;
        out.candidates = answer.results().size() + answer.leftOut().size();
        out.unscorable = answer.all()
                .filter(candidate -> candidate.score() == null)
                .map(RankedCandidate::reason)
                .filter(reason -> reason != null && reason != Reason.DEADLINE)
                .map(String::valueOf)
                .toArray(String[]::new);
    }

    private byte[] fit(GenericRecord answer, List<String> lost, long room) {
        if (!lost.isEmpty()) {
            answer.put("shortened", lost.get(0) + " left out: more than half of kafka.max-record-bytes");
        }
        byte[] value = WireSchema.encode(answer, format);
        String because = " left out: with them the record would have " + value.length + " bytes of at most "
                + maxRecordBytes + " (kafka.max-record-bytes)";
        for (Loss loss : LOSSES) {
            if (value.length <= room) {
                return value;
            }
            loss.step().accept(answer);
            lost.add(loss.what());
            answer.put("shortened", String.join(", ", lost) + because);
            value = WireSchema.encode(answer, format);
        }
        return value.length <= room ? value : cutResults(answer, String.join(", ", lost), because, room);
    }

    /** Keeps as many results as fit, by the sizes of each: the answer is encoded two or three times. */
    private byte[] cutResults(GenericRecord answer, String lost, String because, long room) {
        GenericRecord model = get(answer, "model");
        model.put("name", Unicode.cut(get(model, "name"), SHORT_TEXT));
        model.put("fingerprint", Unicode.cut(get(model, "fingerprint"), 2 * SHORT_TEXT));
        String detail = get(answer, "detail");
        answer.put("detail", detail == null ? null : Unicode.cut(detail, SHORT_TEXT));
        List<GenericRecord> results = get(answer, "results");
        answer.put("results", List.of());
        // the first takes no comma
        long size = WireSchema.encode(answer, format).length - 1L;
        int kept = 0;
        while (kept < results.size() && size <= room) {
            size += WireSchema.size(results.get(kept++), format);
        }
        byte[] value;
        do {
            answer.put("results", results.subList(0, kept));
            answer.put("shortened", lost + (kept < results.size() ? ", results behind rank " + kept : "") + because);
            value = WireSchema.encode(answer, format);
            kept--;
        } while (value.length > room && kept >= 0);
        return value;
    }

    private static void eachCandidate(GenericRecord answer, Consumer<GenericRecord> step) {
        Fields.<List<GenericRecord>>get(answer, "results").forEach(step);
        Fields.<List<GenericRecord>>get(answer, "left_out").forEach(step);
    }
}
