package io.lychee.rerank.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.InterruptedIOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class DecodingRoomTest {

    @Test
    void aPictureWaitsUntilThereIsRoom() throws Exception {
        DecodingRoom room = new DecodingRoom(10, Duration.ofMinutes(10));
        DecodingRoom.Share six = room.take(6);
        DecodingRoom.Share four = room.take(4);
        CompletableFuture<Void> waiting = take(room, 7);
        six.giveBack();
        six.giveBack();
        assertThat(waiting).isNotDone();
        four.giveBack();
        waiting.get(30, TimeUnit.SECONDS);
    }

    @Test
    void aPictureThatHangsKeepsNoOtherOut() throws Exception {
        DecodingRoom room = new DecodingRoom(10, Duration.ofMillis(20));
        DecodingRoom.Share hanging = room.take(10);
        take(room, 10).get(30, TimeUnit.SECONDS);
        hanging.giveBack();
        take(room, 10).get(30, TimeUnit.SECONDS);
    }

    private static CompletableFuture<Void> take(DecodingRoom room, int pixels) {
        return CompletableFuture.runAsync(() -> {
            try {
                room.take(pixels).giveBack();
            } catch (InterruptedIOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }
}
