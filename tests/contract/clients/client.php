<?php
// Sends one request through PHP's curl extension, as legacy CRMs do. Question and answer are JSON on standard input and output,
// bodies in base64.
$question = json_decode(stream_get_contents(STDIN), true);
$headers = [];
foreach ($question['headers'] as [$name, $value]) {
    $headers[] = "$name: $value";
}
$answer = ['headers' => []];
$curl = curl_init($question['url']);
curl_setopt_array($curl, [
    CURLOPT_CUSTOMREQUEST => $question['method'],
    CURLOPT_NOBODY => $question['method'] === 'HEAD',
    CURLOPT_HTTPHEADER => $headers,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 60,
    CURLOPT_HEADERFUNCTION => function ($curl, $line) use (&$answer) {
        $parts = explode(': ', rtrim($line, "\r\n"), 2);
        if (count($parts) === 2) {
            $answer['headers'][] = $parts;
        }
        return strlen($line);
    },
]);
if ($question['body'] !== '') {
    curl_setopt($curl, CURLOPT_POSTFIELDS, base64_decode($question['body']));
}
$body = curl_exec($curl);
if ($body === false) {
    fwrite(STDERR, curl_error($curl));
    exit(1);
}
$answer['status'] = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
$answer['body'] = base64_encode($body);
echo json_encode($answer);
