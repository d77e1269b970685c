<?php
// Sends requests through PHP's curl extension, as legacy CRMs do. Questions and answers are lines of JSON on standard input and
// output, bodies in base64.
function ask(array $question): array
{
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
        return ['failure' => curl_error($curl)];
    }
    $answer['status'] = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    $answer['body'] = base64_encode($body);
    return $answer;
}

while (($line = fgets(STDIN)) !== false) {
    echo json_encode(ask(json_decode($line, true))), "\n";
}
