package io.lychee.rerank.evaluation;

import io.lychee.rerank.config.RerankConfig;
import io.lychee.rerank.domain.CandidateList;
import io.lychee.rerank.kafka.SourceRecord;
import io.lychee.rerank.records.CandidateListDecoder;
import io.lychee.rerank.records.RecordReader;
import io.lychee.rerank.wire.UnreadableException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** Looks lists up in the file that was reranked: answers carry neither texts nor pictures. */
public final class ListContents {

    private static final int MAX_RECORD = 64 << 20;

    private ListContents() {}

    /**
     * Those of {@code ids} that the file has; records that are no lists are passed over, as they were when reranking.
     */
    public static Map<String, CandidateList> read(Path file, Set<String> ids) throws IOException {
        // by name: the keys themselves are Flink's classes, which this package doesn't know
        RerankConfig config = RerankConfig.of(Map.of(
                "model.checkpoint", "none",
                "kafka.max-record-bytes", MAX_RECORD + " bytes",
                "list.max-candidates", "100000"));
        CandidateListDecoder decoder = new CandidateListDecoder(config);
        Map<String, CandidateList> lists = new HashMap<>();
        try (RecordReader reader = RecordReader.open(file, config)) {
            for (SourceRecord record = reader.read(); record != null; record = reader.read()) {
                try {
                    CandidateList list = decoder.decode(record);
                    if (ids.contains(list.requestId())) {
                        lists.put(list.requestId(), list);
                    }
                } catch (UnreadableException e) {
                    // it became a dead letter
                }
            }
        }
        return lists;
    }
}
